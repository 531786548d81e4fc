package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownership is who the server becomes once it listens (settings user, group, initgroups), and who owns what it made before.
type ownership struct {
	uid, gid int
	groups   []int // supplementary groups; nil: those that we have stay, as in gunicorn without initgroups
}

// resolveOwnership reads user and group, each a name, a number or empty for who we are. It fails when we cannot become them.
func resolveOwnership(userName, groupName string, initgroups bool) (ownership, error) {
	o := ownership{uid: os.Geteuid(), gid: os.Getegid()}
	var named *user.User
	if userName != "" {
		if uid, err := strconv.ParseUint(userName, 10, 32); err == nil {
			o.uid = int(uid)
			named, _ = user.LookupId(userName) // a number needs no entry
		} else if named, err = user.Lookup(userName); err != nil {
			return o, fmt.Errorf("no such user: '%s'; name one that exists with --user, or its number", userName)
		} else if o.uid, err = strconv.Atoi(named.Uid); err != nil {
			return o, fmt.Errorf("user %s has the number %q", userName, named.Uid)
		}
	}
	if groupName != "" {
		if gid, err := strconv.ParseUint(groupName, 10, 32); err == nil {
			o.gid = int(gid)
		} else if g, err := user.LookupGroup(groupName); err != nil {
			return o, fmt.Errorf("no such group: '%s'; name one that exists with --group, or its number", groupName)
		} else if o.gid, err = strconv.Atoi(g.Gid); err != nil {
			return o, fmt.Errorf("group %s has the number %q", groupName, g.Gid)
		}
	}
	if !o.changes() {
		return o, nil
	}
	if os.Geteuid() != 0 {
		return o, fmt.Errorf("cannot become user %d, group %d: only root can, and this is user %d, group %d; start it as root, or leave --user and --group out",
			o.uid, o.gid, os.Geteuid(), os.Getegid())
	}
	switch {
	case initgroups && named != nil:
		ids, err := named.GroupIds()
		if err != nil {
			return o, fmt.Errorf("groups of user %s: %w", named.Username, err)
		}
		o.groups = []int{o.gid}
		for _, id := range ids {
			if gid, err := strconv.Atoi(id); err == nil && gid != o.gid {
				o.groups = append(o.groups, gid)
			}
		}
	case initgroups:
		o.groups = []int{o.gid}
	case o.uid != 0:
		// gunicorn leaves root's groups to the workers; a user who is not root has no business in them.
		o.groups = []int{o.gid}
	}
	return o, nil
}

// changes reports whether becoming them changes anything.
func (o *ownership) changes() bool { return o.uid != os.Geteuid() || o.gid != os.Getegid() }

// become makes all threads of this process theirs, for good. HOME, USER and LOGNAME stay, as gunicorn leaves them.
func (o *ownership) become() error {
	if !o.changes() {
		return nil
	}
	if o.groups != nil {
		if err := syscall.Setgroups(o.groups); err != nil {
			return fmt.Errorf("cannot take on the groups %v: %w", o.groups, err)
		}
	}
	if err := syscall.Setresgid(o.gid, o.gid, o.gid); err != nil {
		return fmt.Errorf("cannot become group %d: %w", o.gid, err)
	}
	if err := syscall.Setresuid(o.uid, o.uid, o.uid); err != nil {
		return fmt.Errorf("cannot become user %d: %w", o.uid, err)
	}
	return nil
}
