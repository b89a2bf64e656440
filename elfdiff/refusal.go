package elfdiff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// RefusalKind says why a change can't be patched into a running process.
type RefusalKind string

// What concerns the two builds as a whole.
const (
	RefuseToolchain RefusalKind = "toolchain"  // they were made by different Go versions
	RefuseFlags     RefusalKind = "flags"      // they were made in different ways
	RefuseGoVersion RefusalKind = "go-version" // one that isn't known well enough
	RefuseBuildID   RefusalKind = "build-id"   // the objects aren't those of the ELF file
)

// What must not change while the process runs.
const (
	RefuseRuntime        RefusalKind = "runtime"         // a function of the Go runtime, or of what it stands on
	RefuseAssembly       RefusalKind = "assembly"        // a function written in assembly
	RefuseNoSplit        RefusalKind = "nosplit"         // a function that must not grow the stack
	RefuseCgo            RefusalKind = "cgo"             // a package with C in it
	RefuseTypeLayout     RefusalKind = "type-layout"     // values of the type are there already
	RefuseTypeMethods    RefusalKind = "type-methods"    // an interface or reflection sees the type's methods
	RefuseLocalType      RefusalKind = "local-type"      // the compiler numbered types of functions anew
	RefuseVariableType   RefusalKind = "variable-type"   // the variable is there already
	RefuseVariableValue  RefusalKind = "variable-value"  // its initial value was given already
	RefuseVariablePruned RefusalKind = "variable-pruned" // the program's linker left the variable out, or its initialiser
	RefuseInitialiser    RefusalKind = "initialiser"     // it ran already
	RefuseNewVariable    RefusalKind = "new-variable"    // it needs an initialiser that can't be run alone
	RefusePackageInit    RefusalKind = "package-init"    // the program doesn't have the package, and it wants to be initialised
	RefuseSlot           RefusalKind = "slot"            // the declaration of a slot
	RefuseSignature      RefusalKind = "signature"       // of a function that is reached through a value
	RefusePruned         RefusalKind = "pruned"          // a method that the program's linker left out and that can't be put in
	RefuseRelocation     RefusalKind = "relocation"      // an instruction that can't be made to lead where it should
	RefuseLinkname       RefusalKind = "linkname"        // a name that another package defines
)

// The ways by which the running process still reaches the old version of a function. Of
// the first four nothing but the function itself is repaired by process-wide words.
const (
	RefuseFunctionValue  RefusalKind = "function-value"  // a value of it may be stored anywhere
	RefuseInterfaceTable RefusalKind = "interface-table" // a method, through an interface
	RefuseMethodTable    RefusalKind = "method-table"    // a method, through its type
	RefuseDictionary     RefusalKind = "dictionary"      // through a generic function
	RefuseClosure        RefusalKind = "closure"         // a closure that was made already
	RefuseMethodValue    RefusalKind = "method-value"    // a method value that was made already
	RefuseGoroutine      RefusalKind = "goroutine"       // a goroutine that began with it
	RefuseCaller         RefusalKind = "caller"          // a caller that no slot leads to
)

// Rung is a step of the ladder of reach: what would make a refused change possible.
type Rung string

// The rungs.
const (
	RungNone     Rung = ""               // nothing but starting the fixed program
	RungSlot     Rung = "slot"           // a slot on the call path
	RungWords    Rung = "words"          // process-wide words: Options.ProcessWide
	RungEntry    Rung = "entry"          // redirecting the function's entry, which isn't built yet
	RungMethods  Rung = "methods"        // new method tables, which isn't built yet
	RungInstance Rung = "fresh-instance" // a second instance of the package, which isn't built yet
	RungHook     Rung = "hook"           // code of the author that runs when the patch is loaded or applied
)

// Refusal is one reason why there is no payload.
type Refusal struct {
	Kind   RefusalKind `json:"kind"`
	Symbol string      `json:"symbol"`           // what can't be
	Detail string      `json:"detail,omitempty"` // the first difference, or the way that stays open
	Path   []string    `json:"path,omitempty"`   // of calls, from the way that stays open to what has changed
	Lift   Rung        `json:"lift,omitempty"`
	Advice string      `json:"advice,omitempty"`
}

func (r Refusal) String() string {
	s := fmt.Sprintf("%s: %s", r.Kind, r.Symbol)
	if r.Detail != "" {
		s += ": " + r.Detail
	}

	if len(r.Path) > 1 {
		s += " (" + strings.Join(r.Path, " → ") + ")"
	}

	return s
}

// ID names the refusal in Options.Accept.
func (r Refusal) ID() string { return string(r.Kind) + ":" + r.Symbol }

func sortRefusals(rs []Refusal) []Refusal {
	slices.SortFunc(rs, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Symbol, b.Symbol), cmp.Compare(a.Detail, b.Detail))
	})

	return slices.CompactFunc(rs, func(a, b Refusal) bool { return a.Kind == b.Kind && a.Symbol == b.Symbol && a.Detail == b.Detail })
}

// kinds says of each kind what would lift it, and what the author can do.
var kinds = map[RefusalKind]struct {
	lift   Rung
	advice string
}{
	RefuseToolchain:      {RungNone, "build the fix with the Go version that the running program was built with"},
	RefuseFlags:          {RungNone, "build the fix with the flags that the running program was built with"},
	RefuseGoVersion:      {RungNone, "use a Go version that this elfdiff knows"},
	RefuseBuildID:        {RungNone, "give the ELF file and the objects of one and the same build, or a bundle of it"},
	RefuseRuntime:        {RungNone, "the runtime is part of what patches it: roll out the fixed program"},
	RefuseAssembly:       {RungNone, "leave assembly as it is, or write the changed function in Go"},
	RefuseNoSplit:        {RungNone, "leave the function as it is, and fix its callers"},
	RefuseCgo:            {RungNone, "leave the package with C in it as it is"},
	RefuseTypeLayout:     {RungInstance, "keep the type as it is and hold what is new beside it: a shadow variable, or a new type"},
	RefuseTypeMethods:    {RungMethods, "make the new method a function"},
	RefuseLocalType:      {RungNone, "leave the types that are declared inside functions in their order, or name them apart"},
	RefuseVariableType:   {RungInstance, "leave the variable as it is and add another one"},
	RefuseVariableValue:  {RungHook, "leave the initial value as it is, and set the variable in a load hook"},
	RefuseVariablePruned: {RungHook, "use a variable that the program uses already, or a new one"},
	RefuseInitialiser:    {RungHook, "leave the initialiser as it is, and do what is new in a load hook"},
	RefuseNewVariable:    {RungHook, "give the variable a constant initial value, or set it in an init function behind the package's others, or in a load hook"},
	RefusePackageInit:    {RungInstance, "use a package that the program has already"},
	RefuseSlot:           {RungNone, "leave the declarations of slots as they are"},
	RefuseSignature:      {RungNone, "leave the signature as it is, and add a function"},
	RefusePruned:         {RungNone, "call the method directly, or keep it alive in the program"},
	RefuseRelocation:     {RungNone, "report this as a bug of elfdiff"},
	RefuseLinkname:       {RungNone, "leave linknamed functions as they are"},
	RefuseFunctionValue:  {RungWords, "declare a slot for the function, or allow process-wide words"},
	RefuseInterfaceTable: {RungWords, "declare a slot behind the method, or allow process-wide words"},
	RefuseMethodTable:    {RungWords, "declare a slot behind the method, or allow process-wide words"},
	RefuseDictionary:     {RungWords, "declare a slot behind the function, or allow process-wide words"},
	RefuseClosure:        {RungEntry, "declare a slot that the closure calls through"},
	RefuseMethodValue:    {RungEntry, "declare a slot behind the method"},
	RefuseGoroutine:      {RungNone, "declare a slot for what the goroutine calls in its loop"},
	RefuseCaller:         {RungSlot, "declare a slot on the path"},
}
