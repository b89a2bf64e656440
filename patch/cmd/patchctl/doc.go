// Command patchctl operates the patches of a running program that serves its engine with
// patch/control.
//
//	patchctl [flags] verb [argument]
//
//	list                    the loaded patches
//	get NAME                one of them, by name or id, with all that is known of it
//	upload FILE             load a file into the engine; nothing is applied. - is standard input
//	load FILE               upload, and apply; unload if that fails
//	apply NAME              put it on top of what is applied
//	revert NAME             take it off the top
//	replace NAME            put it in place of all that is applied, at once
//	unload NAME             let the engine forget it; it must be applied nowhere
//	revoke NAME             take it no more, loaded or, by its id, not; revert and unload still work
//	revoke-key KEY          take nothing more that this key signed
//	dry-run VERB ARGUMENT   say whether apply, revert, replace or load would do; change nothing
//	watch                   what happens, until interrupted
//	status                  the engine and its program
//	domains                 what can be patched, and what is applied there
//	slots                   the functions that can be replaced
//	help                    this text
//
// What is revoked stays where it is applied. It is revoked as long as the program runs, or, if
// the engine has a journal, as long as that is kept.
//
// Flags, before or after the verb:
//
//	-socket PATH    of the engine; without it, the environment's VGRAFT_SOCKET
//	-domain NAME    where; may be given again; without it, everywhere
//	-mode MODE      per-section (the default), or barrier: old and new never overlap
//	-timeout TIME   such as 500ms; without it, the engine's own
//	-nowait         fail if another transition is under way
//	-nodeps         apply it whatever it depends on
//	-json           JSON instead of tables; so it is where the output is no terminal
//
// Exit codes:
//
//	0  done
//	1  failed: a hook, the connection in the middle of it, anything else
//	2  it was called wrongly, and nothing was asked
//	3  the engine can't be reached: nobody listens, or this user may not connect
//	4  refused: the state, a signature, what the patch expects, a read-only socket
//	5  it took too long; nothing was changed
//
// After 1, 4 and 5 everything is as it was, unless the text says that the answer was lost.
package main
