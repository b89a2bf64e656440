package patch

import "time"

// Op is what a transition does.
type Op string

// The operations of an engine.
const (
	OpUpload  Op = "upload"
	OpApply   Op = "apply"
	OpRevert  Op = "revert"
	OpReplace Op = "replace"
	OpUnload  Op = "unload"
	OpRestore Op = "restore"
	OpAttach  Op = "attach"
)

// Report says what a transition did and what it cost.
type Report struct {
	Op      Op
	Patch   string
	ID      ID
	Domains []string
	Mode    Mode
	DryRun  bool // nothing was changed
	Mapped  int  // bytes mapped for the patch
	Words   int  // of the process, outside any domain, that were written or put back, and entries of functions

	// Removed lists the patches that went, the topmost first.
	Removed []string

	// Queued is how long the transition waited for others before it.
	Queued time.Duration

	// Swap is how long it took to publish the new views: what the domains' workers
	// could notice in PerSection mode, if they could notice it.
	Swap time.Duration

	// Gate is how long the gate was closed in Barrier mode: no worker waited longer.
	Gate time.Duration

	// Took is the whole call, planning and waiting included.
	Took time.Duration

	// Workers has one entry for every worker of every domain; after a *TimeoutError,
	// the one that was in the way is the last.
	Workers []WorkerReport

	// Hooks has one entry for each hook that ran, in their order.
	Hooks []HookReport

	// JournalErr is set when everything was done but the last note in the journal: there
	// the transition is still under way.
	JournalErr error
}

// WorkerReport says how long after the swap, or in Barrier mode after the gate was
// closed, the transition knew that a worker had passed a section boundary. In PerSection
// mode the worker itself waited for nothing. It is 0 for one that was in no section, and
// an upper bound for others: the wait for those before it in the list counts.
type WorkerReport struct {
	Domain, Worker string
	Waited         time.Duration
	Slot           string // the one it was in, or was last in during that section; empty if none
}

// Last is the worker that was waited for longest. There is none when all were outside.
func (r Report) Last() (last WorkerReport, ok bool) {
	for _, w := range r.Workers {
		if w.Waited > last.Waited {
			last, ok = w, true
		}
	}

	return last, ok
}
