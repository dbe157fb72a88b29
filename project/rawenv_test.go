package project

import (
	"maps"
	"strings"
	"testing"
)

func TestRawEnvIsTakenAsItIs(t *testing.T) {
	got := map[string]string{}
	text := "\ufeff# comment\nA='quoted' $B \n\n  C=a=b\nFROM\nNOWHERE\nEMPTY=\n"
	err := parseRawEnv(strings.NewReader(text), "x.env", got, func(k string) (string, bool) { return "outside", k == "FROM" })
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"A": "'quoted' $B ", "C": "a=b", "FROM": "outside", "EMPTY": ""}; !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := parseRawEnv(strings.NewReader("A=1\nB C=2\n"), "x.env", got, nil); err == nil || !strings.Contains(err.Error(), "line 2: a name is missing or has a space in it") {
		t.Errorf("a blank in a name: %v", err)
	}
}
