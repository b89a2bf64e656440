// Package control lets other processes operate a patch.Engine: over HTTP with JSON, on a
// Unix socket as a rule.
//
// It is a package of its own so that a program which doesn't serve its engine doesn't
// link net/http, and has no way in that it doesn't use.
//
//	l, err := control.Listen("/run/srv/patch.sock", 0o600)
//	...
//	err = control.Serve(ctx, engine, l, control.Options{})
//
// Client is the other end, and patch/cmd/patchctl a tool made of it.
//
// # Who may connect
//
// Whoever can connect can revert what repairs the process and, with a file that the engine
// trusts, run code in it. There is no password: the mode and the directory of the socket
// decide. Over a network, give Serve a listener that asks for certificates. Options.ReadOnly
// is for monitoring: such a socket only answers questions.
//
// # Requests
//
//	GET  /v1/status              versions, counts, Stats
//	GET  /v1/patches             every loaded patch
//	GET  /v1/patch?name=X        one, by name or id
//	GET  /v1/domains             those attached
//	GET  /v1/slots               those declared
//	GET  /v1/events              a line of JSON for each Event, as it happens
//	POST /v1/upload              the body is the file
//	POST /v1/load?request=R      the body is the file: upload and apply, and unload if that fails
//	POST /v1/apply               the body is a Request, as is R
//	POST /v1/revert
//	POST /v1/replace
//	POST /v1/unload              the body is {"patch": "X", "timeout_ns": 0}
//	POST /v1/revoke              the body is {"patch": "X"}, a loaded one or any id; or {"key": "X"}
//
// A file is of type application/octet-stream, and a Request of type application/json. What
// isn't wholly understood, an unknown field, a second value, is refused and does nothing.
//
// The answer is an object with what was asked for, "patches" say, and "report" where
// there was a transition; with "error", an Error, where it failed. Times are in
// nanoseconds. A caller who goes away takes the call back, as when its context ends: until
// the last worker has passed its boundary nothing is changed; after that all is.
package control
