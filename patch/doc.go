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
// Sections must not block: no worker waits for another, but Apply does wait until the
// last one has moved on. Code that runs in no section uses Slot.Get, which reads the
// default domain: each call is wholly old or new, and Apply does not wait for it.
//
// # Patches
//
// A Patch is a set of bindings. Engine.Apply publishes a new view to the domain with
// one pointer store, then waits until every worker has passed a section boundary. No
// worker waits for it, no signal is sent. Engine.Revert puts the view without the
// patch back, in the same way. Patches stack; only the top one can be reverted.
//
// The package knows nothing of virtual machines: any daemon can use it. It starts no
// goroutine, takes no signal and keeps no state but the lists of declared slots and
// shadow variables and the default domain.
package patch
