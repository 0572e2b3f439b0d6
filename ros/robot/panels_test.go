package robot

import "testing"

// TestPanels: the release of one panel does not release another, and a panel that is gone stays pressed until somebody
// releases.
func TestPanels(t *testing.T) {
	var p panels
	step := func(what string, f func(), pressed bool) {
		t.Helper()
		if f(); (p.pressed() != "") != pressed {
			t.Errorf("%s: %q", what, p.pressed())
		}
	}
	step("nothing", func() {}, false)
	step("a pressed, heard without its name first", func() { p.said("", true); p.said("/a", true) }, true)
	step("b says false", func() { p.said("", false); p.said("/b", false) }, true)
	step("d says false as always", func() { p.said("/d", false); p.gone("/a"); p.said("/d", false) }, true)
	step("a is back and pressed", func() { p.said("/a", true) }, true)
	step("b is gone", func() { p.gone("/b") }, true)
	step("a is gone", func() { p.gone("/a") }, true)
	step("c releases", func() { p.said("/c", false) }, false)
	step("a pressed again and released", func() { p.said("/a", true); p.said("/a", false) }, false)
	p = panels{} // behind a rosbridge server
	step("nobody knows who", func() { p.said("", true) }, true)
	step("nor who releases", func() { p.said("", false) }, false)
}
