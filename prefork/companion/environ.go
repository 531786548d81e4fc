package companion

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const maxEnvFile = 1 << 20 // bytes

func readEnvironment(d *draft, raw json.RawMessage) error {
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		return errors.New(`it must be a dictionary, such as {"NAME": "value"}`)
	}
	d.environment = map[string]string{}
	for name, value := range values {
		var text string
		if err := readText(value, &text); err != nil {
			return fmt.Errorf("%s: %w", name, err) // never the value
		}
		if !variable(name) {
			return fmt.Errorf("%q cannot be the name of a variable", name)
		}
		d.environment[name] = text
	}
	return nil
}

func variable(name string) bool { return name != "" && !strings.ContainsAny(name, "=\x00 \t\r\n") }

// environ makes the environment complete: what is inherited, then the user's, then files, then the dictionary.
func (d *draft) environ() error {
	values := map[string]string{}
	for _, e := range d.context.Env {
		if name, value, ok := strings.Cut(e, "="); ok && name != "" {
			values[name] = value
		}
	}
	if bin := d.context.Bin; bin != "" && !slices.Contains(filepath.SplitList(values["PATH"]), bin) {
		values["PATH"] = strings.TrimSuffix(bin+":"+values["PATH"], ":")
	}
	if d.user != "" {
		if u, err := lookupUser(d.user); err == nil {
			values["HOME"], values["USER"], values["LOGNAME"] = u.HomeDir, u.Username, u.Username
		}
	}
	for _, name := range d.files {
		if !filepath.IsAbs(name) {
			name = filepath.Join(d.context.Directory, name)
		}
		if st, err := os.Stat(name); err == nil && !st.Mode().IsRegular() {
			return fmt.Errorf("env_files: %s is no file", name) // a pipe would never end
		}
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("env_files: %w", err)
		}
		more, err := parseEnvFile(io.LimitReader(f, maxEnvFile))
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("env_files: %s: %w", name, err)
		}
		maps.Copy(values, more)
	}
	maps.Copy(values, d.environment)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		d.Env = append(d.Env, name+"="+values[name])
	}
	return nil
}

// parseEnvFile reads lines NAME=VALUE, as Docker and systemd do: empty lines and those that begin with # are passed over, so is the word
// export; a value may stand in quotes. Nothing is expanded, so that a password may have a $ in it. Errors do not show values.
func parseEnvFile(r io.Reader) (map[string]string, error) {
	values := map[string]string{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEnvFile)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if name = strings.TrimSpace(name); !ok || !variable(name) || strings.IndexByte(value, 0) >= 0 {
			return nil, fmt.Errorf("line %d must look like NAME=VALUE", n)
		}
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		values[name] = value
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return values, nil
}

func lookupUser(name string) (*user.User, error) {
	if _, err := strconv.ParseUint(name, 10, 32); err == nil {
		return user.LookupId(name)
	}
	return user.Lookup(name)
}

// own finds out who user and group are. Who is not root can only be who they are.
func (d *draft) own() error {
	if d.user == "" && d.group == "" {
		return nil
	}
	o := &Owner{UID: uint32(d.context.UID), GID: uint32(os.Getegid())}
	if d.user != "" {
		u, err := lookupUser(d.user)
		uid, numeric := strconv.ParseUint(d.user, 10, 32)
		switch {
		case err == nil:
			n, _ := strconv.ParseUint(u.Uid, 10, 32)
			g, _ := strconv.ParseUint(u.Gid, 10, 32)
			o.UID, o.GID = uint32(n), uint32(g)
			ids, _ := u.GroupIds()
			for _, id := range ids {
				if n, err := strconv.ParseUint(id, 10, 32); err == nil {
					o.Groups = append(o.Groups, uint32(n))
				}
			}
		case numeric == nil:
			o.UID = uint32(uid) // a number needs no entry
		default:
			return fmt.Errorf("user: there is no user %q on this machine", d.user)
		}
	}
	if d.group != "" {
		gid, err := strconv.ParseUint(d.group, 10, 32)
		if err != nil {
			g, err := user.LookupGroup(d.group)
			if err != nil {
				return fmt.Errorf("group: there is no group %q on this machine", d.group)
			}
			if gid, err = strconv.ParseUint(g.Gid, 10, 32); err != nil {
				return fmt.Errorf("group: %s has the number %q", d.group, g.Gid)
			}
		}
		o.GID = uint32(gid)
	}
	if !slices.Contains(o.Groups, o.GID) {
		o.Groups = append(o.Groups, o.GID)
	}
	if int(o.UID) == d.context.UID && (d.group == "" || int(o.GID) == os.Getegid()) {
		return nil // we are or shall be who is asked for
	}
	if d.context.UID != 0 {
		return errors.New("user, group: only root can run a program as somebody else; start gounicorn as root without --user, or leave them out")
	}
	d.Owner = o
	return nil
}
