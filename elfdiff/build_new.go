package elfdiff

import (
	"cmp"
	"slices"
)

// NewBuild puts a build together that something else than the go command has made, or that
// is kept in another way than in a bundle: an ELF file, and the objects of all packages that
// it was linked from. Nothing is taken on trust: Diff proves that they belong together. The
// slices are the build's from now on.
func NewBuild(file []byte, objects []Object) (*Build, error) {
	info, err := readInfo(file)
	if err != nil {
		return nil, err
	}

	b := &Build{ELF: file, Objects: slices.Clone(objects), Info: info}
	slices.SortFunc(b.Objects, func(x, y Object) int { return cmp.Compare(x.Package, y.Package) })

	return b, nil
}
