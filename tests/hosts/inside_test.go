package hosts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// insideName is set in the environment of the test binary that runs in namespaces of its own.
const insideName = "GOUNICORN_HOSTS_INSIDE"

// venv is the Python environment of the site, seen from this folder.
const venv = "../../build/hosts-venv"

const needsRoot = "tests/hosts: the hosts are namespaces, and only root makes them (in a container, with CAP_SYS_ADMIN and CAP_NET_ADMIN): sudo make hosts"

func TestMain(m *testing.M) {
	if os.Getenv(insideName) != "" {
		if err := settle(); err != nil {
			fmt.Fprintln(os.Stderr, "tests/hosts:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	os.Exit(enter())
}

// enter runs this program again as process 1 of a pid namespace, with a network and mounts of its own, and returns its exit code.
// When it ends the kernel ends all that is left there.
func enter() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, needsRoot)
		return 1
	}
	for _, script := range [][]string{{"../packages.sh", "hosts"}, {"../setup.sh", venv, "../../examples/hosts/requirements.txt"}} { // inside there is no network
		cmd := exec.Command("sh", script...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			fmt.Fprintf(os.Stderr, "tests/hosts: %s: %v\n", script[0], err)
			return 1
		}
	}
	runtime.LockOSThread() // Pdeathsig means the death of this thread
	signal.Ignore(syscall.SIGINT)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideName+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1)
	case errors.Is(err, syscall.EPERM):
		fmt.Fprintln(os.Stderr, needsRoot)
	default:
		fmt.Fprintln(os.Stderr, "tests/hosts: start again in namespaces:", err)
	}
	return 1
}

// settle makes the mounts private: /proc of this pid namespace, /run and /srv/shop for what the hosts write.
func settle() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	for _, mount := range []struct{ kind, dir string }{{"proc", "/proc"}, {"tmpfs", "/run"}, {"tmpfs", "/srv"}} {
		if within, err := filepath.Rel(mount.dir, wd); err == nil && filepath.IsLocal(within) {
			return fmt.Errorf("this checkout is below %s, which the test covers with a folder of its own: move it", mount.dir)
		}
		if err := syscall.Mount(mount.kind, mount.dir, mount.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", mount.kind, mount.dir, err)
		}
	}
	for _, dir := range []string{"/run/netns", "/run/haproxy", "/run/hosts", "/srv/shop"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}
