package settings

import (
	"fmt"
	"strings"
	"testing"
)

// A dictionary of companions may be written without the prefix in any config file, and what it says of the environment is shown nowhere.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const value = `{"w": {"command": "x", "environment": {"TOKEN": "tomato", "N": 7117}}, "v": [{"environment": {"A": {"B": "tomato"}}}]}`
	v, err := finish(t, "app:app", document("/srv/gunicorn.conf.py", map[string]string{"companions": value}))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Warnings) > 0 || string(v.Companions) != value {
		t.Errorf("companions are %s, warnings %q", v.Companions, v.Warnings)
	}
	with := func(value string) error {
		_, err := Parse([]string{"app:app"}, func(name string) (string, bool) {
			if name != "GOUNICORN_COMPANIONS" {
				return "", false
			}
			return value, true
		})
		return err
	}
	wrong, broken := with(`[{"environment": {"TOKEN": "tomato"}}]`), with(`{"TOKEN": "tomato"`)
	if wrong == nil || broken == nil {
		t.Error("no error for what is no dictionary")
	}
	for where, text := range map[string]string{
		"--print-config": v.Print("/", 0, 0), "cfg": fmt.Sprintf("%s", v.Cfg()["companions"]), "a message": v.Text("companions"),
		"an error": fmt.Sprint(wrong), "another error": fmt.Sprint(broken),
	} {
		if strings.Contains(text, "tomato") || strings.Contains(text, "7117") {
			t.Errorf("%s shows it: %s", where, text)
		}
	}
	for _, text := range []string{v.Print("/", 0, 0), v.Text("companions")} {
		if !strings.Contains(text, "TOKEN") {
			t.Errorf("the name is not shown: %s", text)
		}
	}
}
