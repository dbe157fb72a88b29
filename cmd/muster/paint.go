package main

// paint colours text, or leaves it alone. Colour only repeats what the text
// says.
type paint bool

// colour is an SGR parameter.
type colour string

// The colours in use.
const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	faint  colour = "2"
	bold   colour = "1"
)

// in colours s.
func (p paint) in(c colour, s string) string {
	if !p || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// rotation are the colours of log prefixes, in the order of their use.
func rotation() []colour {
	return []colour{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}
}
