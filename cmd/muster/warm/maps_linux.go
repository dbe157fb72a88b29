package warm

// A mapping is a part of a process's memory: from its first byte to before end, what may be done there, and what is mapped, as /proc/self/maps has it.
type mapping struct {
	from, end uintptr
	may, of   string
}

// parse takes the text of /proc/self/maps apart, of which the last line may have been cut off. See proc_pid_maps(5).
func parse(text []byte) []mapping {
	var all []mapping
	for len(text) > 0 {
		var m mapping
		var ok bool
		if m.from, text, ok = address(text, '-'); !ok {
			return all
		}
		if m.end, text, ok = address(text, ' '); !ok {
			return all
		}
		var words [4]string // rights, offset, device and inode
		for i := range words {
			if words[i], text, ok = cut(text, ' '); !ok {
				return all
			}
		}
		for len(text) > 0 && text[0] == ' ' {
			text = text[1:]
		}
		m.may = words[0]
		if m.of, text, ok = cut(text, '\n'); !ok {
			return all
		}
		all = append(all, m)
	}
	return all
}

// address reads a hexadecimal number up to a mark.
func address(text []byte, mark byte) (at uintptr, rest []byte, ok bool) {
	for i, c := range text {
		switch {
		case c == mark:
			return at, text[i+1:], i > 0
		case '0' <= c && c <= '9':
			at = at<<4 | uintptr(c-'0')
		case 'a' <= c && c <= 'f':
			at = at<<4 | uintptr(c-'a'+10)
		default:
			return 0, nil, false
		}
	}
	return 0, nil, false
}

// cut gives what is before a mark, and what comes after.
func cut(text []byte, mark byte) (before string, after []byte, ok bool) {
	for i, c := range text {
		if c == mark {
			return string(text[:i]), text[i+1:], true
		}
	}
	return "", nil, false
}

// holds says whether an address is in a mapping.
func (m mapping) holds(at uintptr) bool { return m.from <= at && at < m.end }
