package settings

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestCfgHasEverySetting(t *testing.T) {
	values := DefaultCfg()
	for i := range All {
		s := &All[i]
		if _, ok := values[s.Name]; ok != (s.Kind != Hook && fieldIndexed(s.Name)) {
			t.Errorf("%s: in cfg: %t", s.Name, ok)
		}
	}
}

func fieldIndexed(name string) bool {
	_, ok := fieldIndex[name]
	return ok
}

func TestCfgValues(t *testing.T) {
	v, err := Parse([]string{
		"--bind", "127.0.0.1:80", "-b", "unix:/run/x.sock", "--timeout", "7", "--graceful-timeout", "1.5", "--statsd-host", "localhost:8125",
		"--forwarded-allow-ips", "10.0.0.0/8,*", "--pythonpath", "a,b", "--env", "A=1", "--no-sendfile", "--umask", "022", "app:app",
	}, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v.Cfg())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"bind": []any{"127.0.0.1:80", "unix:/run/x.sock"}, "timeout": 7.0, "graceful_timeout": 1.5, "statsd_host": []any{"localhost", 8125.0},
		"forwarded_allow_ips": []any{"10.0.0.0/8", "*"}, "pythonpath": "a,b", "raw_env": []any{"A=1"}, "sendfile": false, "umask": 18.0,
		"accesslog": nil, "errorlog": "-", "statsd_prefix": "", "proc_name": nil, "logconfig_dict": map[string]any{}, "reload_extra_files": []any{},
		"worker_class": "sync", "preload_app": false,
		"secure_scheme_headers": map[string]any{"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"},
	} {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s = %v, want %v", name, got[name], want)
		}
	}
}
