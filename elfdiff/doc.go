// Package elfdiff makes live patches for Go programs: it compares two builds of a program
// and writes what changed as a payload, which package patch loads into the running process.
//
//	base, err := elfdiff.ReadBundle("srv-1.4.2.bundle") // saved when it was released
//	fixed, err := elfdiff.FromSource(ctx, elfdiff.SourceOptions{Base: base, Dir: "."})
//	report, err := elfdiff.Diff(ctx, base, fixed, elfdiff.Options{})
//	file, err := report.Payload(elfdiff.PayloadOptions{Name: "CVE-2026-1234"})
//
// A build is an ELF file and the compiler's objects that it was linked from. Open finds
// those of a program in the build cache, OpenBundle in a file that was saved when the
// program was released, and FromSource builds the repaired program as the first was built.
//
// # What is proved, and what is refused
//
// Diff first puts both programs together again: it reads from the linked bytes where each
// reference of the objects leads. That gives every symbol its address, and proves that the
// objects are the program's and that nothing in the program is unknown; a single
// contradiction is a refusal.
//
// A patch is then safe when every way is closed by which the running process could still
// begin to run an old version of a function that changed, frames that are on a stack
// already aside. From each such function Diff goes back over all references to it. A way
// through a slot is closed by binding the slot; a call is as open as its caller; a function
// value, an entry of an interface or method table, a dictionary is a word of read-only data,
// which can be overwritten for the whole process where Options.ProcessWide allows it. Where
// Options.Entries allows it, the first bytes of the function itself become a jump to its new
// version: that closes every way by which it is called anew, a closure or a method value that
// may be stored anywhere, say. It takes the same parameters and captured variables, callers
// that are the same, and a begin in which no stopped goroutine can stand. What else there is,
// a goroutine that began with the function, what main called, an initialiser that ran, is
// refused, with the path. So is a type of which the process may have values if it lies
// otherwise in memory now, and whatever else a running process can't take back.
//
// A Refusal says what, why, what the author can do, and what would lift it. The author can
// take one upon themselves by Options.Accept; the payload says so. Closures, method values,
// function values and goroutines that are accepted are those that there are: what makes them
// counts as a caller, so that those made later are of the new version.
//
// An initialiser that is new runs when the payload is loaded, where it does no more than give
// values to variables that are new too. A variable beside others in a package's initialiser
// isn't lifted that way, since the compiler makes one function of all of them; one that an
// init function sets, behind the others of its package, is. A hook can set any.
//
// # Hooks
//
// Functions of the fixed source with one of these names, in any package, become hooks of the
// patch; their types are those of patch.Hooks: vgraftLoad, vgraftUnload, vgraftPreApply,
// vgraftPostApply, vgraftPreRevert, vgraftPostRevert, vgraftApply, vgraftRevert.
//
// # The payload
//
// It is an ELF shared object of some 10 kB for a function or two. PAYLOAD.md, beside this
// file, describes it well enough for others to write a loader.
//
// # Limits
//
// Programs are for linux/amd64 or linux/arm64, made by Go 1.26 or 1.27. A payload is for one
// build of one program. What old code has stored, numbers whose meaning changed, say, or
// what it computed from constants that changed, no comparison of code can see: that is for
// hooks and expectations, see Options.Expect. What Slot.Get and Slot.In give is to be called,
// not to be kept: of code that keeps it, Diff sees initialisers alone.
//
// Types that a payload brings are its own. Values of them that it left in the process, after
// it was replaced too, are of other types to a payload that isn't stacked upon it, even where
// the types have no name. Of values of such types that reflection made before, the loader
// knows, and refuses the payload.
//
// The package is pure: any system can make a payload for any other. It runs the go command
// and reads and writes what it is told to; it prints nothing and holds no state.
package elfdiff
