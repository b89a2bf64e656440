// Command daemon is a plain web server, without any virtual machine, whose flaw came with a
// library: it cleans comments by golang.org/x/net/html v0.12.0, which writes the text of a
// style element in an SVG image unescaped (CVE-2023-3978, fixed in v0.13.0). It can be
// repaired while it serves; ./repair does that.
//
//	daemon -socket PATH -trust KEYS [-addr ADDRESS]
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/net/html"

	"github.com/vgraft/vgraft/patch"
	"github.com/vgraft/vgraft/patch/control"
)

// preview is the one slot of the program: whatever Preview does with a request, in this
// package or in a library, can be repaired.
var preview = patch.NewSlot("github.com/vgraft/vgraft/examples/daemon.Preview", Preview)

// Preview answers with a comment as it will be shown: without attributes, and without the
// elements that aren't allowed.
func Preview(w http.ResponseWriter, r *http.Request) {
	doc, err := html.Parse(strings.NewReader(r.FormValue("comment")))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}

	clean(doc)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")

	if err := html.Render(w, doc); err != nil {
		log.Print(err)
	}
}

var allowed = map[string]bool{"html": true, "head": true, "body": true, "p": true, "b": true, "i": true, "svg": true, "style": true}

func clean(n *html.Node) {
	n.Attr = nil

	for c := n.FirstChild; c != nil; {
		next := c.NextSibling

		if c.Type == html.ElementNode && !allowed[c.Data] {
			n.RemoveChild(c)
		} else {
			clean(c)
		}

		c = next
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "`address` to serve at")
	socket := flag.String("socket", "", "`path` of the operator's socket")
	trust := flag.String("trust", "", "`file` of public keys, whose patches are taken")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	if err := serve(ctx, *addr, *socket, *trust); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, addr, socket, trust string) error {
	pem, err := os.ReadFile(trust)
	if err != nil {
		return err
	}

	keys, err := patch.ReadPublicKeys(pem)
	if err != nil {
		return err
	}

	engine := patch.NewEngine(patch.Options{TrustedKeys: keys})
	if err := engine.Attach(ctx, patch.Default()); err != nil {
		return err
	}

	operators, err := control.Listen(socket, 0o600)
	if err != nil {
		return err
	}

	users, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}

	fmt.Println("listening on", users.Addr())

	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { preview.Get()(w, r) })}

	go func() { _ = srv.Serve(users) }() // until it is closed
	defer srv.Close()

	return control.Serve(ctx, engine, operators, control.Options{})
}
