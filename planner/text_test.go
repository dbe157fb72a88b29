package planner

import (
	"strings"
	"testing"
)

func TestSecretive(t *testing.T) {
	for _, key := range []string{"PASSWORD", "DB_PASSWORD", "dbPassword", "POSTGRES_PASSWORD_FILE", "API_KEY", "ACCESS_KEY_ID", "SECRET", "SENTRY_DSN",
		"GITHUB_TOKEN", "AUTH_HEADER", "MYSQL_ROOT_PASSWD", "credentials", "DBPASSWORD", "apikey", "AWS_SECRET_ACCESS_KEY"} {
		if !secretKey(key) {
			t.Errorf("%s shows", key)
		}
	}
	for _, key := range []string{"LOG_LEVEL", "TOKENIZER", "MONKEY", "KEYBOARD", "AUTHOR", "PORT", "PATH", "COMPASS", "HOST", "PASSENGERS"} {
		if secretKey(key) {
			t.Errorf("%s is hidden", key)
		}
	}
	for value, want := range map[string]bool{
		"postgres://shop:pw@db/shop": true, "redis://:pw@cache:6379": true, "postgres://shop@db/shop": false,
		"http://example.com:80/a@b": false, "plain": false,
	} {
		if got := secretive("URL", value); got != want {
			t.Errorf("secretive(%q) = %t", value, got)
		}
	}
}

func TestArrow(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, c := range []struct {
		change Change
		want   string
	}{
		{Change{From: "a", To: "b"}, "a → b"},
		{Change{To: "b"}, "+ b"},
		{Change{From: "a"}, "- a"},
		{Change{From: "a", To: "b", Secret: true}, "(hidden) → (hidden)"},
		{Change{To: "b", Secret: true}, "+ (hidden)"},
		{Change{From: "a\nb", To: "\x1b[31mred"}, `a\nb → \x1b[31mred`},
		{Change{From: long + "one", To: long + "two"}, "…xxxxxxxxxxxxone → …xxxxxxxxxxxxtwo"},
		{Change{From: "short", To: long}, "short → " + strings.Repeat("x", 63) + "…"},
	} {
		if got := arrow(c.change, false); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// Colour only repeats what the text says: without its codes the text is the same.
func TestColourAddsNothing(t *testing.T) {
	s := readStory(t, "testdata/change_many_fields.txtar")
	plan, err := s.plan(t, s.world)
	if err != nil {
		t.Fatal(err)
	}
	coloured := plan.Text(TextOptions{Color: true})
	plain := strings.NewReplacer("\x1b[33m", "", "\x1b[32m", "", "\x1b[36m", "", "\x1b[31m", "", "\x1b[0m", "").Replace(coloured)
	if coloured == plain || plain != plan.Text(TextOptions{}) {
		t.Errorf("got %q", coloured)
	}
}

func TestSpecLabel(t *testing.T) {
	var codec specCodec
	for _, text := range []string{"", "{}", `{"a":"` + strings.Repeat("b", 100_000) + `"}`, "{}"} {
		got, err := codec.decode(codec.encode(text))
		if err != nil || got != text {
			t.Errorf("%d bytes come back as %d: %v", len(text), len(got), err)
		}
	}
	for _, label := range []string{"", "!", "AAAA", "broken", EncodeSpec([]byte(strings.Repeat("a", maxSpec+1)))} {
		if _, err := codec.decode(label); err == nil {
			t.Errorf("%.10q is read", label)
		}
	}
	if got, err := codec.decode(EncodeSpec([]byte("{}"))); err != nil || got != "{}" {
		t.Errorf("after a broken label: %q, %v", got, err)
	}
}

// The containers that are there have labels that earlier versions wrote: what is not read any more is replaced.
func TestSpecLabelOfEarlierVersions(t *testing.T) {
	const label = "VM4xasMwFIDhu/xDJ1Fwl8KjFDp0LHToUowJIn4xJtZTkGQnYHSTHCWbLxYy5gAffCv7GIK3HmnJmhbF8fHySedQW8YULagVZOULocHx/fP794/YPE2O7Yqw3aiOMfhBEWwY7SLN69s7DtNyjumYkZVeD36eCvKg1XGKuexy8akg7VOkpFnpalfvAQAA//8="
	const text = `{"command":["serve","<&>"],"environment":{"A":"1","EMPTY":null,"Ü":"ü"},"image":"nginx:1.27",` +
		`"networks":{"default":null},"post_start":[{"command":["true"]}]}`
	if got, err := DecodeSpec(label); err != nil || string(got) != text {
		t.Errorf("got %s, %v", got, err)
	}
}

// FuzzSpecLabel: labels are written by whoever can reach the engine.
func FuzzSpecLabel(f *testing.F) {
	f.Add(EncodeSpec([]byte(`{"image":"a"}`)))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, label string) {
		text, err := DecodeSpec(label)
		if err != nil {
			return
		}
		_, _ = diffSpecs("services.web.", string(text), `{"image":"b","ports":[{"target":80}]}`, serviceRules{})
	})
}

// FuzzDiff: two specs of any form never panic, and one is never different from itself.
func FuzzDiff(f *testing.F) {
	f.Add(`{"ports":[{"target":80}],"command":[]}`, `{"ports":"x","command":null}`)
	f.Add(`{"volumes":[1,{"target":"/a","bind":{}}]}`, `{"volumes":{"a":[]}}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if _, err := tree(a); err != nil {
			return
		}
		there, err := diffSpecs("", a, b, serviceRules{})
		if err != nil {
			return
		}
		back, err := diffSpecs("", b, a, serviceRules{})
		if err != nil || len(there) != len(back) {
			t.Errorf("there are %d changes there and %d back: %v", len(there), len(back), err)
		}
		if same, err := diffSpecs("", a+" ", a, serviceRules{}); err != nil || len(same) > 0 {
			t.Errorf("it differs from itself in %v: %v", same, err)
		}
	})
}

func TestFamiliar(t *testing.T) {
	for ref, want := range map[string]string{
		"nginx": "nginx:latest", "nginx:1": "nginx:1", "docker.io/library/nginx": "nginx:latest", "docker.io/a/b:1": "a/b:1",
		"localhost:5000/a": "localhost:5000/a:latest", "localhost:5000/a:1": "localhost:5000/a:1",
		"nginx:1@sha256:abc": "nginx@sha256:abc", "index.docker.io/library/a@sha256:abc": "a@sha256:abc",
	} {
		if got := familiar(ref); got != want {
			t.Errorf("familiar(%q) = %q, want %q", ref, got, want)
		}
	}
}
