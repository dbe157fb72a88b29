package watch

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What comes together is one batch, which begins a little after the last of it, or after the first has waited long.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		changes := make(chan string)
		batches := Gather(ctx, changes, Pace{})
		began := time.Now()
		for range 3 {
			changes <- "b"
			changes <- "a"
			time.Sleep(10 * time.Millisecond)
		}
		if got := <-batches; !cmp.Equal(got.Paths(), []string{"a", "b"}) || time.Since(began) != 40*time.Millisecond {
			t.Errorf("got %v after %v", got.Paths(), time.Since(began))
		}
		// One that never stops is cut.
		began = time.Now()
		go func() {
			for i := range 100 {
				changes <- fmt.Sprint(i)
				time.Sleep(10 * time.Millisecond)
			}
		}()
		if got := <-batches; len(got) != 20 && len(got) != 21 || time.Since(began) != 200*time.Millisecond {
			t.Errorf("got %d after %v", len(got), time.Since(began))
		}
		// Who is busy gets all of it later.
		time.Sleep(time.Second)
		if got := <-batches; len(got) < 79 {
			t.Errorf("got %d of what came while nobody listened", len(got))
		}
		cancel()
		if _, open := <-batches; open {
			t.Error("there are batches after the end")
		}
	})
}
