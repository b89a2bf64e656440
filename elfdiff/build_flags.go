package elfdiff

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// ownFlags are the flags of go build that decide what the compiler and linker make. They
// come from the program, so GOFLAGS must not add others.
var ownFlags = []string{
	"asan", "asmflags", "buildmode", "compiler", "cover", "covermode", "coverpkg", "gccgoflags", "gcflags",
	"installsuffix", "ldflags", "linkshared", "msan", "pgo", "race", "tags", "trimpath",
}

// ownVariables are the environment's variables of that kind.
var ownVariables = []string{
	"CGO_ENABLED", "GO386", "GOAMD64", "GOARCH", "GOARM", "GOARM64", "GOENV", "GOEXPERIMENT", "GOFIPS140", "GOFLAGS",
	"GOMIPS", "GOMIPS64", "GOOS", "GOPPC64", "GORISCV64", "GOTOOLCHAIN", "GOWASM",
}

// cgoVariables are recorded only without -trimpath. With it the user's are taken.
var cgoVariables = []string{"CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS"}

// buildFlags are the flags that a program was built with, other than -pgo and -ldflags.
func buildFlags(i *BuildInfo) []string {
	var flags []string

	for _, k := range slices.Sorted(maps.Keys(i.Settings)) {
		v := i.Settings[k]

		switch {
		case k == "-tags":
			v = userTags(v, i.Settings["GOFIPS140"] != "")
		case k == "-buildmode" && v == "exe":
			continue // what the go command records for its default, which depends on the system
		case !strings.HasPrefix(k, "-"), k == "-pgo", k == "-ldflags", k == "-compiler":
			continue
		}

		if v != "" {
			flags = append(flags, k+"="+v)
		}
	}

	return flags
}

// userTags takes out the tag that the go command adds for a version of the FIPS module.
func userTags(tags string, fips bool) string {
	if !fips {
		return tags
	}

	list := slices.DeleteFunc(strings.Split(tags, ","), func(t string) bool { return strings.HasPrefix(t, "fips140v") })

	return strings.Join(list, ",")
}

// buildVariables are the variables that a program was built with.
func buildVariables(i *BuildInfo) map[string]string {
	vars := map[string]string{}

	for k, v := range i.Settings {
		if slices.Contains(ownVariables, k) || slices.Contains(cgoVariables, k) {
			vars[k] = v
		}
	}

	return vars
}

// toolchainOf is the value of GOTOOLCHAIN for a version. One that was never released can't
// be had by name.
func toolchainOf(version string) string {
	if strings.ContainsAny(version, " \t") || strings.Contains(version, "devel") || !strings.HasPrefix(version, "go") {
		return "local"
	}

	return version
}

// foreignFlags gives the part of GOFLAGS that says where source comes from, such as -mod
// and -modfile, and not what is made of it.
func foreignFlags(goflags string) (string, error) {
	fields, err := splitQuoted(goflags)
	if err != nil {
		return "", fmt.Errorf("GOFLAGS: %w", err)
	}

	return joinQuoted(slices.DeleteFunc(fields, func(f string) bool { return slices.Contains(ownFlags, flagName(f)) })), nil
}

// joinQuoted is the reverse of splitQuoted.
func joinQuoted(fields []string) string {
	out := make([]string, len(fields))

	for i, f := range fields {
		if out[i] = f; strings.ContainsFunc(f, unicode.IsSpace) || strings.ContainsAny(f, `'"`) || f == "" {
			q := "'"
			if strings.Contains(f, q) {
				q = `"`
			}

			out[i] = q + f + q
		}
	}

	return strings.Join(out, " ")
}

// splitQuoted splits at spaces. A field may be quoted as a whole, with no way to write the
// quote itself in it: the rule of the go command.
func splitQuoted(s string) ([]string, error) {
	var fields []string

	for s = strings.TrimLeftFunc(s, unicode.IsSpace); s != ""; s = strings.TrimLeftFunc(s, unicode.IsSpace) {
		if q := s[0]; q == '\'' || q == '"' {
			end := strings.IndexByte(s[1:], q)
			if end < 0 {
				return nil, fmt.Errorf("a %c is not closed", q)
			}

			fields, s = append(fields, s[1:end+1]), s[end+2:]

			continue
		}

		end := strings.IndexFunc(s, unicode.IsSpace)
		if end < 0 {
			end = len(s)
		}

		fields, s = append(fields, s[:end]), s[end:]
	}

	return fields, nil
}
