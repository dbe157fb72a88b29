package warm

import (
	"strconv"
	"strings"
)

// A mapping is a part of a process's memory: from its first byte to before end, what may be done there, and what is mapped, as /proc/self/maps has it.
type mapping struct {
	from, end uintptr
	may, of   string
}

// parse takes the text of /proc/self/maps apart, of which the last line may have been cut off. See proc_pid_maps(5).
func parse(text string) []mapping {
	var all []mapping
	for line := range strings.Lines(text) {
		words := strings.SplitN(line, " ", 6) // addresses, rights, offset, device, inode, and what is mapped
		if len(words) < 6 || !strings.HasSuffix(line, "\n") {
			return all
		}
		from, end, _ := strings.Cut(words[0], "-")
		first, err := strconv.ParseUint(from, 16, strconv.IntSize)
		if err != nil {
			return all
		}
		last, err := strconv.ParseUint(end, 16, strconv.IntSize)
		if err != nil {
			return all
		}
		all = append(all, mapping{uintptr(first), uintptr(last), words[1], strings.TrimLeft(strings.TrimSuffix(words[5], "\n"), " ")})
	}
	return all
}

// holds says whether an address is in a mapping.
func (m mapping) holds(at uintptr) bool { return m.from <= at && at < m.end }
