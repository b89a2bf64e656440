package elfdiff

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

const (
	archiveMagic  = "!<arch>\n"
	memberHeader  = 60 // bytes: name 16, date 12, owner 6, group 6, mode 8, size 10, end 2
	memberSizeAt  = 48
	memberEndAt   = 58
	memberEnd     = "`\n"
	exportMember  = "__.PKGDEF"
	maxObjectHead = 4096 // bytes of text at the beginning of an object
)

// withoutExports gives an archive without what only importers read, which is a third of it.
func withoutExports(archive []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(archive, []byte(archiveMagic))
	if !ok {
		return nil, fmt.Errorf("%w: not an archive of the compiler", ErrMismatch)
	}

	out := make([]byte, 0, len(archive))
	out = append(out, archiveMagic...)

	for len(rest) > 0 {
		n, err := memberLen(rest)
		if err != nil {
			return nil, err
		}

		if strings.TrimSpace(string(rest[:16])) != exportMember {
			out = append(out, rest[:n]...)
		}

		rest = rest[n:]
	}

	return out, nil
}

// memberLen is the length of an archive's next member with its header and padding.
func memberLen(rest []byte) (int, error) {
	if len(rest) < memberHeader || string(rest[memberEndAt:memberHeader]) != memberEnd {
		return 0, fmt.Errorf("%w: an archive's member has no header", ErrMismatch)
	}

	size, err := strconv.ParseUint(strings.TrimSpace(string(rest[memberSizeAt:memberEndAt])), 10, 40)
	if err != nil || size > uint64(len(rest)-memberHeader) {
		return 0, fmt.Errorf("%w: an archive's member is longer than the archive", ErrMismatch)
	}

	// Members begin at even offsets. The last may end without padding.
	return min(memberHeader+int(size)+int(size)&1, len(rest)), nil
}

// contentID is the part of an archive's build id that hashes its content, or empty.
func contentID(archive []byte) string {
	head := archive[:min(len(archive), maxObjectHead)]

	_, id, ok := bytes.Cut(head, []byte("\nbuild id \""))
	if !ok {
		return ""
	}

	id, _, ok = bytes.Cut(id, []byte("\"\n"))
	if !ok {
		return ""
	}

	_, content, _ := strings.Cut(string(id), "/")

	return content
}

// checkMain compares the main package's object with the program's build id, which has its
// hash. It is no proof for the other packages; reverse linking is. A program that was
// linked without a build id, or with one of somebody's choice, passes.
func checkMain(file, archive []byte) error {
	parts := strings.Split(goBuildID(file), "/")
	if len(parts) != 4 {
		return nil
	}

	if got := contentID(archive); got != parts[2] {
		return fmt.Errorf("%w: the main package's is %q, and the program was linked from %q: "+
			"its source, a flag that isn't recorded, or the profile has changed", ErrMismatch, got, parts[2])
	}

	return nil
}
