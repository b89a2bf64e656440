// A module of its own, so that the library with the flaw is required by nothing else.
module github.com/vgraft/vgraft/examples/daemon

go 1.26.3

require (
	github.com/vgraft/vgraft v0.0.0
	golang.org/x/net v0.12.0
)

replace github.com/vgraft/vgraft => ../..
