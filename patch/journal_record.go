package patch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

const (
	journalVersion = 1

	// maxJournal bounds what is read of a file that may be anything.
	maxJournal = 16 << 20

	// journalSum begins the last line; what follows it is the SHA-256 of all lines before,
	// in hexadecimal.
	journalSum = "sha256 "
)

// Record is what a journal says. The zero Record says nothing.
type Record struct {
	Version int
	Host    string    // identity of the program that wrote it, see BuildID
	Time    time.Time // of writing

	// Pending is the transition under way; nil if there was none. A record that is found
	// with one is of a process that ended in the middle of it.
	Pending *RecordedOp

	Domains    []RecordedDomain
	Everywhere []ID            // applied to every domain, those made later too; bottom first
	Patches    []RecordedPatch // all that a stack names, and perhaps others that are loaded

	// What was revoked, in this process or in one before it, of any build.
	Revoked     []ID    `json:",omitempty"`
	RevokedKeys []KeyID `json:",omitempty"`
}

// RecordedDomain is a domain and what was applied to it.
type RecordedDomain struct {
	Name  string
	Stack []ID // bottom first
}

// RecordedPatch is a patch that was applied, or loaded.
type RecordedPatch struct {
	ID     ID
	Name   string
	Digest string // SHA-256 of the payload file in hexadecimal; empty for an in-process patch
}

// RecordedOp is a transition.
type RecordedOp struct {
	Op      Op
	Patch   ID
	Domains []string
}

// encodeJournal gives the file of a record: JSON, and a line with its checksum. What
// decodeJournal would refuse is refused here, before it is on the disk.
func encodeJournal(r Record) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}

	r.Time = r.Time.UTC().Round(0) // one spelling of a time, without the monotonic clock

	body, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return nil, err
	}

	body = append(body, '\n')
	sum := sha256.Sum256(body)
	b := append(append(append(body, journalSum...), hex.EncodeToString(sum[:])...), '\n')

	if len(b) > maxJournal {
		return nil, fmt.Errorf("record of %d bytes, more than %d", len(b), maxJournal)
	}

	return b, nil
}

// decodeJournal reads what encodeJournal wrote, and nothing else: another spelling of the
// same record is refused too, for it shows that somebody else wrote it. So a name that is
// twice in an object, which encoding/json lets pass, can't hide anything.
func decodeJournal(b []byte) (Record, error) {
	bad := func(at int64, format string, a ...any) (Record, error) {
		return Record{}, &JournalError{Offset: at, What: fmt.Sprintf(format, a...)}
	}

	if len(b) > maxJournal {
		return bad(maxJournal, "longer than %d bytes", maxJournal)
	}

	n := len(b) - len(journalSum) - hex.EncodedLen(sha256.Size) - len("\n")
	if n < 0 || !bytes.HasPrefix(b[n:], []byte(journalSum)) || b[len(b)-1] != '\n' {
		return bad(int64(len(b)), "it doesn't end with a checksum: torn, or no journal")
	}

	body := b[:n]
	sum := sha256.Sum256(body)

	if got := string(b[n+len(journalSum) : len(b)-1]); got != hex.EncodeToString(sum[:]) {
		return bad(int64(n), "checksum %s, and %x is right: it was changed", got, sum)
	}

	// A later version may have other fields, so the version is read for itself first.
	var v struct{ Version int }
	if err := json.Unmarshal(body, &v); err != nil {
		return bad(jsonOffset(err, body), "%v", err)
	}

	if v.Version != journalVersion {
		return bad(0, "version %d, and this program knows %d only", v.Version, journalVersion)
	}

	var r Record

	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()

	if err := d.Decode(&r); err != nil {
		return bad(jsonOffset(err, body), "%v", err)
	}

	if err := r.check(); err != nil {
		return bad(int64(len(body)), "%v", err)
	}

	same, err := encodeJournal(r)
	if err != nil {
		return bad(int64(len(body)), "%v", err)
	}

	if at := firstDifference(b, same); at >= 0 {
		return bad(int64(at), "not as this program writes it")
	}

	return r, nil
}

// jsonOffset is where in the body an error is.
func jsonOffset(err error, body []byte) int64 {
	var (
		syntax *json.SyntaxError
		typ    *json.UnmarshalTypeError
	)

	switch {
	case errors.As(err, &syntax):
		return syntax.Offset
	case errors.As(err, &typ):
		return typ.Offset
	case errors.Is(err, io.EOF):
		return 0
	}

	return int64(len(body))
}

// firstDifference is the offset of the first byte that differs, -1 if there is none.
func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}

	if len(a) == len(b) {
		return -1
	}

	return min(len(a), len(b))
}

// check says what is wrong with a record as a whole. A record with two answers to one
// question has none.
func (r Record) check() error {
	if r.Version != journalVersion {
		return fmt.Errorf("version %d, and this program knows %d only", r.Version, journalVersion)
	}

	if !utf8.ValidString(r.Host) {
		return notText(r.Host)
	}

	known, names := map[ID]bool{}, map[string]bool{}

	for _, p := range r.Patches {
		sum, err := hex.DecodeString(p.Digest)

		switch {
		case !utf8.ValidString(string(p.ID) + "\x00" + p.Name):
			return notText(string(p.ID) + " " + p.Name)
		case p.ID == "":
			return fmt.Errorf("patch %q has no id", p.Name)
		case known[p.ID]:
			return fmt.Errorf("patch id %q is there twice", p.ID)
		case p.Digest == "":
		case err != nil || len(sum) != sha256.Size || hex.EncodeToString(sum) != p.Digest:
			return fmt.Errorf("patch %q: its digest is no SHA-256: %q", p.ID, p.Digest)
		}

		known[p.ID] = true
	}

	for _, d := range r.Domains {
		switch {
		case !utf8.ValidString(d.Name):
			return notText(d.Name)
		case names[d.Name]:
			return fmt.Errorf("domain %q is there twice", d.Name)
		}

		names[d.Name] = true

		if err := checkStack(d.Stack, known); err != nil {
			return fmt.Errorf("domain %q has %w", d.Name, err)
		}
	}

	if err := checkStack(r.Everywhere, known); err != nil {
		return fmt.Errorf("everywhere there is %w", err)
	}

	if err := checkRevoked(r.Revoked); err != nil {
		return err
	}

	if err := checkRevoked(r.RevokedKeys); err != nil {
		return err
	}

	return r.Pending.check()
}

// checkRevoked wants the ids in their order, each once and in its one spelling.
func checkRevoked[S ~string](ids []S) error {
	for i, id := range ids {
		switch {
		case !utf8.ValidString(string(id)):
			return notText(string(id))
		case id == "" || id != normal(id):
			return fmt.Errorf("revoked %q, which isn't an id as this program writes it", id)
		case i > 0 && ids[i-1] >= id:
			return fmt.Errorf("revoked %q after %q", id, ids[i-1])
		}
	}

	return nil
}

func checkStack(stack []ID, known map[ID]bool) error {
	seen := map[ID]bool{}

	for _, id := range stack {
		switch {
		case !known[id]:
			return fmt.Errorf("patch %q, which isn't in the list of patches", id)
		case seen[id]:
			return fmt.Errorf("patch %q twice", id)
		}

		seen[id] = true
	}

	return nil
}

func (p *RecordedOp) check() error {
	if p == nil {
		return nil
	}

	switch {
	case p.Op == "" || p.Patch == "":
		return fmt.Errorf("pending operation %q of patch %q: one of them is empty", p.Op, p.Patch)
	case !utf8.ValidString(string(p.Op) + "\x00" + string(p.Patch)):
		return notText(string(p.Op) + " " + string(p.Patch))
	}

	seen := map[string]bool{}

	for _, d := range p.Domains {
		switch {
		case !utf8.ValidString(d):
			return notText(d)
		case seen[d]:
			return fmt.Errorf("pending operation %q: domain %q is there twice", p.Op, d)
		}

		seen[d] = true
	}

	return nil
}

// notText refuses what JSON can't hold: encoding/json would write another name instead.
func notText(s string) error { return fmt.Errorf("name %q isn't UTF-8", s) }
