// Package release knows which muster this is, and says so before the rest of the program is set up.
//
// Setting up the packages that muster is made of takes longer than a program that only prints a line: the library of JSON
// schemas compiles five of them, others compile patterns, whether anybody asks for them or not. It happens before main. But it
// happens in an order that the language fixes: of the packages whose imports are set up, the first by its path is next. This one
// imports os alone, and its path is before those that take long. So what scripts ask often is answered here. Whatever is not
// exactly the question is left to the command.
package release

import "os"

// Number is set by the linker for released binaries. Of others it is empty, and only the Go tool's record knows more, which takes
// a package that is set up late.
var Number string

func init() {
	if Number == "" || len(os.Args) != 2 {
		return
	}
	switch os.Args[1] {
	case "version", "--version", "-v":
	default:
		return
	}
	if _, err := os.Stdout.WriteString(Sentence(Number)); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// Sentence is what people are shown.
func Sentence(number string) string { return "muster version " + number + "\n" }
