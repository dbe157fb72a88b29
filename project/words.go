package project

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// quote puts what a user wrote in quotes, shortened where it is very long.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:57]) + "…"
	}
	return strconv.Quote(s)
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// sentence joins words as people do: a, b or c.
func sentence(words []string, last string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// didYouMean is the hint with the nearest of some names, or with all of them where none is
// near and they are few.
func didYouMean(got string, known []string) string {
	if near := Nearest(got, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) == 0 || len(known) > 6 {
		return ""
	}
	names := slices.Clone(known)
	slices.Sort(names)
	if len(names) == 1 {
		return "there is " + names[0]
	}
	return "there are " + sentence(names, "and")
}

// Nearest is the known word that got was most likely meant to be, or nothing.
func Nearest(got string, known []string) string {
	best, bestCost := "", 1+max(1, len(got)/3)
	names := slices.Clone(known)
	slices.Sort(names)
	for _, name := range names {
		if name == got {
			continue
		}
		cost := distance(strings.ToLower(got), strings.ToLower(name), bestCost)
		if cost > bestCost-1 && related(got, name) {
			cost = bestCost - 1
		}
		if cost < bestCost {
			best, bestCost = name, cost
		}
	}
	return best
}

// related finds words that differ by much more than a slip: ports for port, depends for
// depends_on, env for environment.
func related(a, b string) bool {
	norm := strings.NewReplacer("-", "", "_", "", " ", "").Replace
	a, b = norm(strings.ToLower(a)), norm(strings.ToLower(b))
	return len(a) >= 3 && len(b) >= 3 && (a == b || strings.HasPrefix(b, a) || strings.HasPrefix(a, b))
}

// distance counts the single letters to insert, drop, change or swap; more
// than limit is told as limit+1, so that long words cost nothing.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	two, one := make([]int, len(b)+1), make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}
