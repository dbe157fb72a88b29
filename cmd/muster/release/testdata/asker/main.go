// Command asker says that it has got as far as main.
package main

import (
	"fmt"

	_ "github.com/musterhq/muster/cmd/muster/release"
)

func main() { fmt.Println("main") }
