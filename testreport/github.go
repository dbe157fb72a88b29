package testreport

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxAnnotations is how many of a step GitHub shows.
const maxAnnotations = 10

// Annotations are the lines with which a step of GitHub Actions marks what has failed, where it was written. find says where in the
// repository the file is of which a test of a class has spoken; it answers with nothing where it does not know.
func (r Report) Annotations(find func(class, file string) string) []string {
	var out []string
	if r.Problem != "" {
		out = append(out, "::error title="+githubProperty(r.Project)+"::"+githubText(r.Problem))
	}
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			if !c.Outcome.Bad() || len(out) == maxAnnotations {
				continue
			}
			title := s.Name
			if c.Name != s.Name {
				title += ": " + c.Name
			}
			properties := "title=" + githubProperty(title)
			if c.File != "" {
				if file := find(c.Class, c.File); file != "" {
					at := "file=" + githubProperty(file)
					if c.Line > 0 {
						at += ",line=" + strconv.Itoa(c.Line)
					}
					properties = at + "," + properties
				}
			}
			out = append(out, "::error "+properties+"::"+githubText(cmp.Or(c.Message, string(c.Outcome))))
		}
	}
	return out
}

var (
	githubWords = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubNames = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func githubText(text string) string     { return githubWords.Replace(text) }
func githubProperty(text string) string { return githubNames.Replace(text) }

// maxSummary bounds what is written of the failed cases: GitHub takes 1 MiB of a step.
const maxSummary = 200 << 10

// WriteSummary writes the report as Markdown, for the page of a run of GitHub Actions.
func (r Report) WriteSummary(w io.Writer) error {
	var b strings.Builder
	n := r.Counts()
	mark := "✅"
	if n.Bad() > 0 || r.Problem != "" {
		mark = "❌"
	}
	fmt.Fprintf(&b, "### %s %s: %s\n\n", mark, markdown(r.Project), n)
	if r.Problem != "" {
		fmt.Fprintf(&b, "%s\n\n", markdown(r.Problem))
	}
	b.WriteString("| | test | cases | failed | skipped | time |\n|---|---|--:|--:|--:|--:|\n")
	for _, s := range r.Suites {
		c := s.Counts()
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %.1f s |\n", markOf(s.Outcome), markdown(s.Name), c.Total, c.Bad(), c.Skipped, s.Duration.Seconds())
	}
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			if !c.Outcome.Bad() {
				continue
			}
			if b.Len() > maxSummary {
				continue
			}
			fmt.Fprintf(&b, "\n<details><summary>%s <b>%s</b>: %s</summary>\n\n", markOf(c.Outcome), markdown(s.Name+" › "+c.Name), markdown(c.Message))
			if text, fence := strings.TrimRight(c.Output, "\n"), "```"; text != "" {
				for strings.Contains(text, fence) {
					fence += "`"
				}
				fmt.Fprintf(&b, "%s\n%s\n%s\n\n", fence, text, fence)
			}
			b.WriteString("</details>\n")
		}
	}
	if b.Len() > maxSummary {
		b.WriteString("\nThere is more than fits here: see the other reports.\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the summary of the step: %w", err)
	}
	return nil
}

// String is "12 passed, 1 failed".
func (c Counts) String() string {
	var parts []string
	for _, p := range []struct {
		n    int
		word Outcome
	}{{c.Passed(), Passed}, {c.Failed, Failed}, {c.Broken, Broken}, {c.Skipped, Skipped}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	if len(parts) == 0 {
		return "nothing was run"
	}
	return strings.Join(parts, ", ")
}

func markOf(o Outcome) string {
	switch o {
	case Passed:
		return "✅"
	case Skipped:
		return "⏭️"
	}
	return "❌"
}

var markdownText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "\n", " ", "[", `\[`)

func markdown(text string) string { return markdownText.Replace(text) }
