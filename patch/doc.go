// Package patch replaces functions of a running Go process: no restart, no pause,
// and one call to undo.
//
// # Slots
//
// A function that may have to be repaired is declared as a slot and called through it:
//
//	var handle = patch.NewSlot("example.com/srv.handle", (*Server).handle)
//
//	func (s *Server) serve(sec patch.Section, r Request) { handle.In(sec)(s, r) }
//
// Declaring it is all it takes. Nothing is ever written over code, so a slot has no
// minimum size, may be inlined around, and costs an atomic load and an indirect call.
//
// # Domains, views, sections
//
// A Domain is a set of workers that see the same bindings: one virtual machine, say,
// or the whole process. What its slots are bound to is a view, an immutable table. A
// Worker takes the view when it enters a section and keeps it until it leaves:
// whatever it does in between is wholly old or wholly new, over all slots.
//
//	sec := w.Enter()
//	defer w.Leave() // deferred where what runs inside may panic
//
//	handle.In(sec)(srv, req)
//
// Domain.Do is a section for a goroutine that has no worker and needs one now and then.
// Sections must not block: no worker waits for another, but Apply does wait until the
// last one has moved on. Code that runs in no section uses Slot.Get, which reads the
// default domain: each call is wholly old or new, and Apply does not wait for it.
//
// # Patches
//
// A Patch is a set of bindings, with what belongs to them: an identity, what it depends
// on, hooks, expectations, versions of shared data. Engine.Apply publishes a new view to
// the domain with one pointer store, then waits until every worker has passed a section
// boundary. No worker waits for it, no signal is sent. Engine.Revert puts the view
// without the patch back, in the same way. Patches stack; only the top one can be
// reverted; Engine.Replace puts one patch in place of the whole stack, in one transition.
//
// Where old and new must not overlap, because the shape of data changes, a transition in
// Barrier mode has all old sections end before the first new one begins.
//
// A patch made with New consists of functions that are in the program. Engine.Upload makes
// one from a file, by the Loader of the options, once its signature holds. A patch or a
// key can be revoked; Engine.List tells who signed what is loaded.
//
// Whatever fails, a wrong state, a hook's veto, a deadline, leaves every domain as it
// was, with an error that says what was in the way.
//
// # Mistakes
//
// A wrong use of a worker panics, as does a wrong declaration of a slot: these are
// mistakes of the program. All else is an error: see StateError, TimeoutError,
// HookError, ExpectationError, FileError and the Err variables. Engine.Events tells what
// happens, and Engine.Stats counts it; package patch/control has both for other processes.
// SCENARIOS.md, beside this file, compares with other live patchers, case by case.
//
// The package knows nothing of virtual machines: any daemon can use it. It takes no
// signal, starts a goroutine only for what it is given to run, hooks and health, and keeps no state but what is declared,
// slots and shadow variables, and the default domain.
package patch
