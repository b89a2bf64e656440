package patch_test

import (
	"context"
	"fmt"
	"log"

	"github.com/vgraft/vgraft/patch"
)

// A server greets its guests, and somebody reports that it shouts.
type Server struct{ name string }

func (s *Server) greet(guest string) string { return s.name + ": HELLO, " + guest + "!" }

// Declaring a slot is all it takes to make greet replaceable.
var greet = patch.NewSlot("example.com/server.greet", (*Server).greet)

// Serve is one unit of the server's work: it calls greet through the slot, with the
// section it runs in.
func (s *Server) Serve(w *patch.Worker, guest string) string {
	sec := w.Enter()
	defer w.Leave()

	return greet.In(sec)(s, guest)
}

func Example() {
	var (
		ctx    = context.Background()
		srv    = &Server{name: "srv"}
		domain = patch.NewDomain("server")
		worker = domain.NewWorker("worker-1") // one for every goroutine that serves
		engine = patch.NewEngine(patch.Options{})
	)

	defer worker.Close()

	fmt.Println(srv.Serve(worker, "Ann"))

	fix, err := patch.New("quiet", patch.Func(greet, func(s *Server, guest string) string {
		return s.name + ": hello, " + guest
	}))
	if err != nil {
		log.Fatal(err)
	}

	// The workers of the domain run on: each takes the fix with its next section.
	if _, err := engine.Apply(ctx, fix, patch.On(domain)); err != nil {
		log.Fatal(err)
	}

	fmt.Println(srv.Serve(worker, "Ann"))

	if _, err := engine.Revert(ctx, fix, patch.On(domain)); err != nil {
		log.Fatal(err)
	}

	fmt.Println(srv.Serve(worker, "Ann"))

	// Output:
	// srv: HELLO, Ann!
	// srv: hello, Ann
	// srv: HELLO, Ann!
}
