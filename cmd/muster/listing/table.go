package listing

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// TableFormat is the table as a template. Where nothing is in the way it is laid out here, to the same bytes.
const TableFormat = `table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}`

// Columns are at least so wide, and so far apart.
const (
	narrow = 10
	apart  = 3
)

// table lays rows out in columns; ok is false where a cell has what ends cells or escapes them.
func table(rows []Row) (text []byte, ok bool) {
	lines := [][]string{{"NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"}}
	for _, r := range rows {
		lines = append(lines, []string{r.Name, r.Image, r.Command, r.Service, r.RunningFor, r.Status, r.Ports})
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			if strings.ContainsAny(cell, "\t\v\n\f") || strings.IndexByte(cell, 0xff) >= 0 {
				return nil, false
			}
			widths[i] = max(widths[i], narrow, utf8.RuneCountInString(cell)+apart)
		}
	}
	var out bytes.Buffer
	for _, line := range lines {
		for i, cell := range line {
			out.WriteString(cell)
			if i < len(line)-1 {
				out.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
			}
		}
		out.WriteByte('\n')
	}
	return out.Bytes(), true
}
