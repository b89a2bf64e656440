package patch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

var (
	// ErrJournal is a journal file that can't be relied on. It is wrapped in a
	// *JournalError.
	ErrJournal = errors.New("unusable journal")

	// ErrJournalInUse is a journal that another engine has open, of this process or
	// another one.
	ErrJournalInUse = errors.New("journal in use")
)

// JournalError is a journal file whose content isn't what the engine writes: torn, edited,
// or from a version that this one doesn't know. The file is left as it is, since it may be
// the only trace of what was applied: move it away to begin anew.
type JournalError struct {
	Path   string
	Offset int64  // of the first byte that is wrong; where that is no byte, the end of what was read
	What   string // is wrong with it
}

func (e *JournalError) Error() string {
	return fmt.Sprintf("patch: %v %s: at byte %d: %s", ErrJournal, e.Path, e.Offset, e.What)
}

// Unwrap gives ErrJournal.
func (e *JournalError) Unwrap() error { return ErrJournal }

// Journal is the file that says what is applied, for the next process after this one. It
// always has one whole record: the one written last, or the one before if writing failed
// or the machine stopped. An engine writes it: see Options. All methods may be called from
// any goroutine.
type Journal struct {
	path  string
	found Record
	lock  io.Closer
	steps journalSteps

	mu      sync.Mutex // guards what follows
	closed  bool
	current []byte // what the file holds; nil is no file
}

// journalSteps are the ways to the file system in the order of a write, so that a test can
// make each of them fail.
type journalSteps struct {
	create  func(name string) (*os.File, error)
	write   func(f *os.File, b []byte) error
	sync    func(f *os.File) error
	rename  func(from, to string) error
	syncDir func(dir string) error
}

var realJournalSteps = journalSteps{
	// With O_EXCL, and after the removal of what a crash has left: nobody can have put
	// a link there for us to follow.
	create: func(name string) (*os.File, error) {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}

		return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	},
	write:   func(f *os.File, b []byte) error { _, err := f.Write(b); return err },
	sync:    (*os.File).Sync,
	rename:  os.Rename,
	syncDir: syncDirectory,
}

// OpenJournal opens a journal, which need not exist yet, and takes its lock. A file that
// isn't a good journal is an error and stays untouched.
func OpenJournal(path string) (_ *Journal, err error) {
	// The lock is on a file of its own, which stays: a write replaces the journal itself.
	lock, err := lockJournal(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("patch: journal %s: %w", path, err)
	}

	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()

	b, err := readJournal(path)
	if err != nil {
		return nil, err
	}

	j := &Journal{path: path, lock: lock, steps: realJournalSteps, current: b}

	if b == nil {
		return j, nil
	}

	j.found, err = decodeJournal(b)

	var bad *JournalError
	if errors.As(err, &bad) {
		bad.Path = path
	}

	if err != nil {
		return nil, err
	}

	return j, nil
}

// readJournal gives the file's bytes, or nil if there is none.
func readJournal(path string) ([]byte, error) {
	// Lstat, since a rename would replace a link and not what it leads to; and to open a
	// pipe waits.
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("patch: journal: %w", err)
	case !info.Mode().IsRegular():
		return nil, &JournalError{Path: path, What: "not a regular file but " + info.Mode().String()}
	}

	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("patch: journal: %w", err)
	}

	defer f.Close() // only read from

	b, err := io.ReadAll(io.LimitReader(f, maxJournal+1))
	if err != nil {
		return nil, fmt.Errorf("patch: journal: %w", err)
	}

	return b, nil // decodeJournal refuses the one byte too many
}

// Previous is the record found when the journal was opened; its Version is 0 if there was
// none.
func (j *Journal) Previous() Record { return j.found }

// write makes r the record, with the version that this code writes. When it returns nil,
// the record survives a power failure. When it returns an error, the record is the one
// before, unless putting that back failed as well: then the error joins both, and the
// file has one of the two, whole.
func (j *Journal) write(r Record) error {
	r.Version = journalVersion

	b, err := encodeJournal(r)
	if err != nil {
		return fmt.Errorf("patch: journal %s: %w", j.path, err)
	}

	j.mu.Lock()
	defer j.mu.Unlock()

	if j.closed {
		return fmt.Errorf("patch: journal %s: %w", j.path, os.ErrClosed)
	}

	if err := j.replace(b); err != nil {
		return fmt.Errorf("patch: journal %s: %w", j.path, err)
	}

	j.current = b

	return nil
}

// replace puts the new content in the file's place in one step.
func (j *Journal) replace(b []byte) error {
	tmp := j.path + ".new"

	if err := j.fill(tmp, b); err != nil {
		return err
	}

	if err := j.steps.rename(tmp, j.path); err != nil {
		return errors.Join(fmt.Errorf("put in place: %w", err), os.Remove(tmp))
	}

	// Without this a power failure may bring the old name back to the old content. That
	// would be a whole record too, but the caller was told that it is this one.
	if err := j.steps.syncDir(filepath.Dir(j.path)); err != nil {
		return errors.Join(fmt.Errorf("sync the directory: %w", err), j.putBack())
	}

	return nil
}

// fill makes the file tmp with this content, on the disk, or no file.
func (j *Journal) fill(tmp string, b []byte) (err error) {
	f, err := j.steps.create(tmp)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}

	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp))
		}
	}()

	if err = j.steps.write(f, b); err != nil {
		err = fmt.Errorf("write: %w", err)
	} else if err = j.steps.sync(f); err != nil {
		err = fmt.Errorf("sync: %w", err)
	}

	return errors.Join(err, f.Close())
}

// putBack undoes a rename, as far as a process can: it doesn't ask the directory to be on
// the disk, which has just failed.
func (j *Journal) putBack() error {
	if j.current == nil {
		return os.Remove(j.path)
	}

	tmp := j.path + ".new"

	if err := j.fill(tmp, j.current); err != nil {
		return fmt.Errorf("put the record before back: %w", err)
	}

	if err := j.steps.rename(tmp, j.path); err != nil {
		return errors.Join(fmt.Errorf("put the record before back: %w", err), os.Remove(tmp))
	}

	return nil
}

// Close gives the lock free. The file stays. It is idempotent; write fails afterwards.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()

	if j.closed {
		return nil
	}

	j.closed = true

	return j.lock.Close()
}

// syncDirectory makes a rename in the directory survive a power failure, where a directory
// can be asked for that.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		return nil
	}

	d, err := os.Open(dir)
	if err != nil {
		return err
	}

	return errors.Join(d.Sync(), d.Close())
}
