package project

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run TestKeysPage -update .

// TestKeysPage keeps docs/keys.md what the support table says.
func TestKeysPage(t *testing.T) {
	file := filepath.Join("..", "docs", "keys.md")
	want := keysPage()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/keys.md is not what the table says; run `go generate ./project` (- table, + page):\n%s", diff)
	}
	for line := range strings.Lines(want) {
		for _, cell := range strings.Split(strings.Trim(line, "|\n"), "|") {
			if strings.HasPrefix(line, "|") && strings.TrimSpace(cell) == "" {
				t.Errorf("an empty cell: %s", line)
			}
		}
	}
}

// keysPage is the support table for readers, a section for each part of a file.
func keysPage() string {
	var b strings.Builder
	counts := map[Support]int{}
	rows := SupportOn(TargetDocker)
	dropped := map[Support]int{}
	for _, r := range rows {
		counts[r.Support]++
		switch {
		case r.Dropped && r.Attached:
			dropped[Honoured]++
		case r.Dropped:
			dropped[r.Support]++
		}
	}
	fmt.Fprintf(&b, `# Every key of a Compose file

Made from the table in project/support_rows.go by `+"`go generate ./project`; `muster config --support`"+` prints the same.

Of %d keys %d are honoured, %d only inform (they concern nothing that happens on the engine), %d have no effect and are
warned about with their place, and %d are refused. Those below x-muster are muster's own. With `+"`--strict`"+` a warning is an error. * is a name, [] an element of a list.

docker compose 2.40.3 accepts %d of these keys and does nothing with them, without a word: the engine has the same with and without. muster
honours %d of them (two only while `+"`up`"+` stays attached), warns about %d, refuses %d, and takes %d for information too. They are marked with †. The test
TestDroppedByDockerCompose measures it, a file a key.
`, len(rows), counts[Honoured], counts[Informing], counts[Warned], counts[Refused],
		dropped[Honoured]+dropped[Warned]+dropped[Refused]+dropped[Informing], dropped[Honoured], dropped[Warned], dropped[Refused], dropped[Informing])
	last := ""
	for _, r := range rows {
		if section := keySection(r.Key); section != last {
			last = section
			fmt.Fprintf(&b, "\n## %s\n\n| key | %s |\n|---|---|\n", section, r.Target)
		}
		mark := ""
		if r.Dropped {
			mark = " †"
		}
		fmt.Fprintf(&b, "| `%s`%s | %s |\n", r.Key, mark, r.Words())
	}
	b.WriteString("\n## What is otherwise with `--target swarm`\n\n| key | swarm |\n|---|---|\n")
	swarm := SupportOn(TargetSwarm)
	for i, r := range rows {
		if there := swarm[i]; there.Key == r.Key && there.Words() != r.Words() {
			fmt.Fprintf(&b, "| `%s` | %s |\n", there.Key, there.Words())
		}
	}
	return b.String()
}

// TestTargetsHaveTheSameKeys keeps a row of one target from being forgotten on another.
func TestTargetsHaveTheSameKeys(t *testing.T) {
	docker, swarm := SupportOn(TargetDocker), SupportOn(TargetSwarm)
	if len(docker) != len(swarm) {
		t.Fatalf("docker has %d keys, swarm %d", len(docker), len(swarm))
	}
	for i := range docker {
		if docker[i].Key != swarm[i].Key {
			t.Fatalf("docker has %s where swarm has %s", docker[i].Key, swarm[i].Key)
		}
	}
}

func keySection(key string) string {
	top, _, nested := strings.Cut(key, ".")
	if !nested {
		switch key {
		case "configs", "include", "models", "networks", "secrets", "services", "volumes", "jobs", extensionKey:
		default:
			return key
		}
	}
	return top
}
