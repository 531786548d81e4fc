package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gounicorn/gounicorn/tests/harness"
)

const module = "github.com/gounicorn/gounicorn"

// A goPackage is what go list says about a package.
type goPackage struct {
	ImportPath   string
	Dir          string
	Standard     bool
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
	CgoFiles     []string
	GoFiles      []string
}

// list runs go list with cgo on or off; cgo on does not compile anything.
func list(t *testing.T, cgo string, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Dir,Standard,Imports,TestImports,XTestImports,Deps,CgoFiles,GoFiles"}, args...)...)
	cmd.Dir = harness.Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	var all []goPackage
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var pkg goPackage
		err := decoder.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		all = append(all, pkg)
	}
}

// ours shortens an import path of this module to its folder; other paths give "".
func ours(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	return rest
}

// within reports whether a folder is dir or below it.
func within(folder, dir string) bool {
	return folder == dir || strings.HasPrefix(folder, dir+"/")
}

// A rule forbids what packages below a folder import, directly or through packages of ours.
type rule struct {
	folder string
	bad    func(path string) bool
	why    string
}

func importsOurs(folders ...string) func(string) bool {
	return func(path string) bool {
		folder := ours(path)
		return folder != "" && slices.ContainsFunc(folders, func(dir string) bool { return within(folder, dir) })
	}
}

func importsAnyOfOursExcept(folders ...string) func(string) bool {
	return func(path string) bool {
		folder := ours(path)
		return folder != "" && !slices.ContainsFunc(folders, func(dir string) bool { return within(folder, dir) })
	}
}

func importsAny(paths ...string) func(string) bool {
	return func(path string) bool {
		return slices.ContainsFunc(paths, func(dir string) bool { return within(path, dir) })
	}
}

var rules = []rule{
	{"server/settings", importsAnyOfOursExcept("server/settings"), "the settings table is a leaf, so that every surface can derive from it"},
	{"server", importsOurs("prefork", "pyworker", "cmd"), "the server declares the interface it consumes; cmd joins the two"},
	{"server/http1", importsOurs("server/settings", "wsgi", "prefork", "pyworker"), "the HTTP engine knows neither flags nor Python"},
	{"server/http2", importsOurs("server/settings", "wsgi", "prefork", "pyworker"), "the HTTP engine knows neither flags nor Python"},
	{"prefork", importsOurs("server", "wsgi", "pyworker", "cmd"), "prefork supervises processes and owns the queue: no HTTP, no WSGI, no Python"},
	{"prefork", importsAny("net/http"), "prefork knows nothing of HTTP"},
	{"prefork/wire", importsAnyOfOursExcept("prefork/wire"), "the wire protocol is a leaf: its payloads are opaque bytes"},
	{"prefork/lane", importsAnyOfOursExcept("prefork/lane"), "what goes where and when is pure policy"},
	{"prefork/lane", importsAny("net", "os", "github.com", "golang.org", "sync"), "policy does no I/O, and its caller serialises"},
	{"prefork", importsOurs("prefork/lane/sim"), "the simulator is for tests and cmd/gendocs"},
	{"cmd/gounicorn", importsOurs("prefork/lane/sim"), "the simulator is for tests and cmd/gendocs"},
	{"wsgi", importsAnyOfOursExcept("wsgi"), "what a request and a response are is a leaf, without I/O"},
	{"wsgi", importsAny("net", "os", "github.com", "golang.org"), "wsgi does no I/O and needs the standard library only"},
	{"pyworker", importsAnyOfOursExcept("pyworker", "wsgi", "prefork/wire"), "the worker knows the protocol and the types, not the master"},
}

func TestImportsFollowTheDirectionOfDependencies(t *testing.T) {
	t.Parallel()
	for _, pkg := range list(t, "1", "./...") {
		folder := ours(pkg.ImportPath)
		for _, rule := range rules {
			if rule.folder != "" && !within(folder, rule.folder) || rule.folder == "server" && within(folder, "server/settings") {
				continue
			}
			if rule.folder == "prefork" && within(folder, "prefork/wire") || rule.folder == "prefork/lane" && within(folder, "prefork/lane/sim") {
				continue
			}
			for _, path := range pkg.Imports {
				if rule.bad(path) {
					t.Errorf("%s imports %s: %s", folder, path, rule.why)
				}
			}
		}
	}
}

// Only the worker binary may need cgo; with cgo on, nothing but pyworker contains it.
func TestCgoStaysInPyworker(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	for _, path := range files(t, ".go") {
		file, err := parser.ParseFile(fset, filepath.Join(harness.Root(t), path), nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, spec := range file.Imports {
			if spec.Path.Value == `"C"` && !within(path, "pyworker") {
				t.Errorf("%s imports C", path)
			}
			if strings.Contains(spec.Path.Value, "go-python/cpy3") && !within(path, "pyworker") {
				t.Errorf("%s imports cpy3", path)
			}
			if strings.HasSuffix(spec.Path.Value, module+`/pyworker"`) && !within(path, "pyworker") && !within(path, "cmd/gounicorn-worker") {
				t.Errorf("%s imports pyworker: only the worker binary does", path)
			}
		}
	}
}

// The master must start where there is no libpython, so that it can say so.
func TestMasterNeedsNoCgo(t *testing.T) {
	t.Parallel()
	for _, pkg := range list(t, "1", "-deps", "./cmd/gounicorn") {
		if len(pkg.CgoFiles) > 0 && !pkg.Standard {
			t.Errorf("%s, which the master needs, has cgo files %v", pkg.ImportPath, pkg.CgoFiles)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(t.TempDir(), "gounicorn"), "./cmd/gounicorn")
	build.Dir = harness.Root(t)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("CGO_ENABLED=0 go build ./cmd/gounicorn: %v\n%s", err, out)
	}
}

func TestEveryPackageHasExactlyOnePackageComment(t *testing.T) {
	t.Parallel()
	comments, fset := map[string][]string{}, token.NewFileSet()
	for _, path := range files(t, ".go") {
		dir := filepath.Dir(path)
		comments[dir] = append(comments[dir], nil...)
		file, err := parser.ParseFile(fset, filepath.Join(harness.Root(t), path), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Error(err)
			continue
		}
		if file.Doc != nil && !onlyDirectives(file.Doc) {
			comments[dir] = append(comments[dir], path)
		}
	}
	for dir, in := range comments {
		if len(in) != 1 {
			t.Errorf("package %s has %d package comments: %v", dir, len(in), in)
		}
	}
}

func onlyDirectives(group *ast.CommentGroup) bool {
	return strings.TrimSpace(group.Text()) == ""
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	for _, path := range files(t, ".go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, filepath.Join(harness.Root(t), path), nil, parser.ParseComments)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, decl := range file.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: %s has no comment", path, name)
			}
		}
	}
}

// undocumented returns the exported top-level names of a declaration that no comment covers. A comment above a
// group covers the group.
func undocumented(decl ast.Decl) []string {
	var names []string
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Doc == nil && decl.Name.IsExported() && exportedReceiver(decl.Recv) {
			names = append(names, decl.Name.Name)
		}
	case *ast.GenDecl:
		if decl.Doc != nil {
			return nil
		}
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Doc == nil && spec.Name.IsExported() {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if spec.Doc == nil && spec.Comment == nil && name.IsExported() {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(fields *ast.FieldList) bool {
	if fields == nil || len(fields.List) == 0 {
		return true
	}
	expr := fields.List[0].Type
	for {
		switch inner := expr.(type) {
		case *ast.StarExpr:
			expr = inner.X
		case *ast.IndexExpr:
			expr = inner.X
		case *ast.Ident:
			return inner.IsExported()
		default:
			return true
		}
	}
}

func TestNoPackageIsAGrabBag(t *testing.T) {
	t.Parallel()
	banned := []string{"util", "utils", "helper", "helpers", "common", "misc", "types", "shared", "base", "lib"}
	for _, path := range files(t, ".go") {
		for _, part := range strings.Split(filepath.ToSlash(filepath.Dir(path)), "/") {
			if slices.Contains(banned, part) {
				t.Errorf("%s: a thing that has no home lacks its noun", path)
			}
		}
	}
}

func TestModuleReplacesNothing(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "replace") {
			t.Errorf("go.mod: %q: whoever imports us would get another module", strings.TrimSpace(line))
		}
	}
}

const (
	noSleep = "tests wait for an event, they do not sleep"
	noInit  = "no init functions: dependencies come in through New"
)

// allowed reports the exceptions of a rule.
func allowed(why, path string) bool {
	switch why {
	case noSleep:
		return !strings.HasSuffix(path, "_test.go") && !within(path, "tests")
	case noInit:
		return path == "cmd/gounicorn-worker/main.go" // only init runs in the thread that must stay Python's main thread
	}
	return false
}

// forbidden is text that must not stand in a file of the given kinds. The patterns are written so that they do
// not match themselves.
var forbidden = []struct {
	extensions []string
	pattern    *regexp.Regexp
	why        string
}{
	{[]string{".go"}, regexp.MustCompile(`\bt[b]?\.Skip(Now|f)?\(`), "a test that skips itself proves nothing"},
	{[]string{".go"}, regexp.MustCompile(`\btime[.]Sleep\(`), noSleep},
	{[]string{".go", ".py", ".c", ".h", ".sh", ".md"}, regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`), "write it, or an issue"},
	{[]string{".go", ".py", ".c", ".h", ".sh", ".md"}, regexp.MustCompile(`/ro` + `ot/|/wo` + `rk/|/ho` + `me/[a-z]`), "paths of one machine"},
	{[]string{".go"}, regexp.MustCompile(`(?m)^func init\(\)`), noInit},
}

func TestForbiddenTextIsAbsent(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, ".go", ".py", ".c", ".h", ".sh", ".md") {
		text, err := os.ReadFile(filepath.Join(harness.Root(t), path))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, ban := range forbidden {
			if !slices.Contains(ban.extensions, filepath.Ext(path)) || allowed(ban.why, path) {
				continue
			}
			for _, at := range ban.pattern.FindAllIndex(text, 3) {
				line := bytes.Count(text[:at[0]], []byte("\n")) + 1
				t.Errorf("%s:%d: %q: %s", path, line, text[at[0]:at[1]], ban.why)
			}
		}
	}
}

// Files that have grown long are named as a hint; that is a sign to split, not a failure.
func TestLongFilesAreNamed(t *testing.T) {
	t.Parallel()
	const long = 500
	for _, path := range files(t, ".go", ".py", ".c") {
		text, err := os.ReadFile(filepath.Join(harness.Root(t), path))
		if err != nil {
			t.Error(err)
			continue
		}
		if lines := bytes.Count(text, []byte("\n")); lines > long {
			t.Logf("%s has %d lines", path, lines)
		}
	}
}

// files returns the source files of the repository with one of the extensions, relative to its root. What git
// ignores (builds, virtual environments) is left out by the name of its folder.
func files(t *testing.T, extensions ...string) []string {
	t.Helper()
	all, err := sources(harness.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(slices.Clone(all), func(path string) bool { return !slices.Contains(extensions, filepath.Ext(path)) })
}

// sources walks the repository.
func sources(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"build", "bin", "dist", "_bin", "node_modules", "__pycache__", "staticfiles", "media"}, name)) {
			return filepath.SkipDir
		}
		if !entry.IsDir() {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			found = append(found, filepath.ToSlash(relative))
		}
		return nil
	})
	return found, err
}
