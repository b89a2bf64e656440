// Package served has what the programs beside it share: an engine on a socket, whose patches
// the test makes, and a question on the standard input for each answer on the standard output.
package served

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// Main serves an engine for the domain, and gives each line to answer, until there are no more.
func Main(d *patch.Domain, answer func(line string) string) {
	socket := flag.String("socket", "", "path")
	trust := flag.String("trust", "", "file of public keys")
	flag.Parse()

	pem, err := os.ReadFile(*trust)
	Check(err)

	keys, err := patch.ReadPublicKeys(pem)
	Check(err)

	ctx, cancel := context.WithCancel(context.Background())

	engine := patch.NewEngine(patch.Options{TrustedKeys: keys})
	Check(engine.Attach(ctx, d))

	l, err := control.Listen(*socket, 0o600)
	Check(err)

	ended := make(chan error, 1)
	go func() { ended <- control.Serve(ctx, engine, l, control.Options{}) }()

	fmt.Println("ready")

	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(answer(lines.Text()))
	}

	cancel()
	Check(<-ended)
}

// Check ends the program.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
