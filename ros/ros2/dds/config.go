//go:build ros2 && cgo

package dds

import (
	"fmt"
	"strings"
)

// policies are the names of the quality of service's policies, by Cyclone's numbers.
var policies = map[int]string{
	2: "durability", 4: "deadline", 5: "latency budget", 6: "ownership", 8: "liveliness", 10: "partition",
	11: "reliability",
	12: "destination order", 24: "type consistency", 25: "data representation",
}

func policyName(id int) string {
	if id <= 0 {
		return ""
	}
	if name := policies[id]; name != "" {
		return name
	}
	return fmt.Sprintf("policy %d", id)
}

// quick repeats what was not acknowledged every 20 ms (Cyclone's own 100 ms are a control period), and asks for an
// acknowledgement with every message that comes 0.8 ms or more after the one before: Cyclone asks for none while
// messages come faster than four fifths of the interval. It is a default, which CYCLONEDDS_URI may change.
const quick = `<CycloneDDS><Domain id="any"><Internal><HeartbeatInterval minsched="20 ms">1 ms</HeartbeatInterval></Internal></Domain></CycloneDDS>`

// xml is the configuration of a domain, around what CYCLONEDDS_URI says.
func (c *Config) xml(uri string) string {
	parts := []string{quick}
	if uri != "" {
		parts = append(parts, uri)
	}
	if !c.Localhost && len(c.Peers) == 0 {
		return strings.Join(parts, ",")
	}
	var b strings.Builder
	b.WriteString(`<CycloneDDS><Domain id="any">`)
	peers := c.Peers
	if c.Localhost {
		b.WriteString(`<General><Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces><AllowMulticast>false</AllowMulticast></General>`)
		peers = append([]string{"127.0.0.1"}, peers...)
	}
	b.WriteString(`<Discovery><ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>40</MaxAutoParticipantIndex><Peers>`)
	for _, p := range peers {
		fmt.Fprintf(&b, `<Peer address="%s"/>`, p)
	}
	b.WriteString(`</Peers></Discovery></Domain></CycloneDDS>`)
	return strings.Join(append(parts, b.String()), ",")
}

// validate refuses what would break out of the configuration.
func (c *Config) validate() error {
	if c.Domain < 0 || c.Domain > 232 {
		return fmt.Errorf("DDS domain %d: want 0 to 232 (ROS_DOMAIN_ID)", c.Domain)
	}
	for _, p := range c.Peers {
		if p == "" || strings.ContainsAny(p, `<>"'& `) {
			return fmt.Errorf("DDS peer %q: want a host name or an address", p)
		}
	}
	return nil
}
