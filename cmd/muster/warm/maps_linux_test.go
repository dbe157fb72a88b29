package warm

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	const text = `00400000-01433000 r-xp 00000000 fe:00 1573                               /usr/local/bin/a muster
01433000-0250c000 r--p 01033000 fe:00 1573                               /usr/local/bin/a muster
c0000000-c0800000 rw-p 00000000 00:00 0                              [anon: Go: heap]
f0000000-f0001000 ---p 00000000 00:00 0 
f0001000-f00000`
	want := []mapping{
		{0x400000, 0x1433000, "r-xp", "/usr/local/bin/a muster"},
		{0x1433000, 0x250c000, "r--p", "/usr/local/bin/a muster"},
		{0xc0000000, 0xc0800000, "rw-p", "[anon: Go: heap]"},
		{0xf0000000, 0xf0001000, "---p", ""},
	}
	got := parse(text)
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for n := range len(text) { // wherever it is cut off
		if cut := parse(text[:n]); len(cut) > len(want) || !slices.Equal(cut, want[:len(cut)]) {
			t.Errorf("of %d bytes: %v", n, cut)
		}
	}
	for _, text := range []string{"", "\n", "-", "x-y r", "12 34", "-1 r-xp 0 0 0 \n"} {
		if got := parse(text); len(got) > 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
}
