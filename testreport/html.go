package testreport

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed report.html
var page string

// WriteHTML writes the report as one page that needs nothing beside it.
func (r Report) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{"took": took}).Parse(page)
	if err != nil {
		return fmt.Errorf("read the page of the report: %w", err)
	}
	if err := t.Execute(w, r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// took is a duration as people read it.
func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// Bar is a line of the drawing: where it begins and how wide it is, in per cent.
type Bar struct {
	Name        string
	Outcome     Outcome // empty for what is no test
	Left, Width float64
	Took        time.Duration
}

// Timeline is the drawing of what took how long.
func (r Report) Timeline() []Bar {
	var out []Bar
	for _, p := range r.Phases {
		out = append(out, r.bar(p.Name, "", p.Started, p.Ended.Sub(p.Started)))
	}
	for _, s := range r.Suites {
		if s.Attempts > 0 {
			out = append(out, r.bar(s.Name, s.Outcome, s.Started, s.Duration))
		}
	}
	return out
}

func (r Report) bar(name string, o Outcome, at time.Time, d time.Duration) Bar {
	b := Bar{Name: name, Outcome: o, Took: d}
	if whole := float64(r.Duration); whole > 0 {
		b.Left = min(100, max(0, 100*float64(at.Sub(r.Started))/whole))
		b.Width = min(100-b.Left, max(0.4, 100*float64(d)/whole))
	}
	return b
}
