package main

import (
	"fmt"
	"sort"
	"strings"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// network is what NetworkPolicies are about, at one moment. Every pod is on this machine's
// bridge, whose traffic passes the forward hook (bridge-nf-call-iptables). Traffic from the node
// itself passes none of the hooks used here: probes always arrive, as Kubernetes wants it.
type network struct {
	pods       []*core.Pod // in the pod network, with an address, not finished
	namespaces map[string]labels.Set
	policies   []*networking.NetworkPolicy
}

// A way is the direction of traffic as a pod sees it.
type way string

const (
	arriving way = "in"
	leaving  way = "out"
)

// peerAddress is the nftables expression for the address of the other side.
var peerAddress = map[way]string{arriving: "ip saddr", leaving: "ip daddr"}

// chains are the rules for each pod that some policy selects: way and address to lines.
type chains map[way]map[string][]string

func newNetwork(pods []*core.Pod, namespaces []*core.Namespace, policies []*networking.NetworkPolicy) *network {
	n := &network{namespaces: map[string]labels.Set{}, policies: policies}
	for _, pod := range pods {
		finished := pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed
		if pod.Status.PodIP != "" && !pod.Spec.HostNetwork && !finished {
			n.pods = append(n.pods, pod)
		}
	}
	for _, namespace := range namespaces {
		n.namespaces[namespace.Name] = namespace.Labels
	}
	return n
}

// table is the whole set of rules as an nftables script. An accept inside a chain that was jumped
// to ends the whole check, so what leaves and what arrives are base chains of their own.
func (n *network) table() string {
	rules := n.chains()
	var text strings.Builder
	text.WriteString("table ip isogloss-policies {}\ndelete table ip isogloss-policies\ntable ip isogloss-policies {\n")
	into := jumps(&text, arriving, "ip daddr", rules[arriving])
	from := jumps(&text, leaving, "ip saddr", rules[leaving])
	for _, base := range []struct{ name, hook, jumps string }{
		{"leaving", "forward priority -7", from},
		{"arriving", "forward priority -6", into},
		{"to_this_machine", "input priority -6", from},
	} {
		fmt.Fprintf(&text, "  chain %s {\n    type filter hook %s; ct state established,related accept\n%s  }\n",
			base.name, base.hook, base.jumps)
	}
	text.WriteString("}\n")
	return text.String()
}

// jumps writes the chain of each pod, and gives the lines that lead there.
func jumps(text *strings.Builder, direction way, match string, rules map[string][]string) string {
	addresses := make([]string, 0, len(rules))
	for address := range rules {
		addresses = append(addresses, address)
	}
	sort.Strings(addresses)
	var lines strings.Builder
	for _, address := range addresses {
		chain := string(direction) + "_" + strings.ReplaceAll(address, ".", "_")
		sort.Strings(rules[address]) // listers have no order, and all lines accept
		fmt.Fprintf(text, "  chain %s {\n", chain)
		for _, rule := range rules[address] {
			fmt.Fprintf(text, "    %s\n", rule)
		}
		text.WriteString("    reject\n  }\n")
		fmt.Fprintf(&lines, "    %s %s jump %s\n", match, address, chain)
	}
	return lines.String()
}

func (n *network) chains() chains {
	rules := chains{arriving: {}, leaving: {}}
	for _, policy := range n.policies {
		for _, pod := range n.pods {
			if pod.Namespace == policy.Namespace && matches(&policy.Spec.PodSelector, pod.Labels) {
				n.apply(policy, pod, rules)
			}
		}
	}
	return rules
}

// apply adds what one policy allows one pod. A pod with no rule at all gets an empty chain: nothing.
func (n *network) apply(policy *networking.NetworkPolicy, pod *core.Pod, rules chains) {
	address := pod.Status.PodIP
	for _, kind := range policy.Spec.PolicyTypes {
		switch kind {
		case networking.PolicyTypeIngress:
			allowed := rules[arriving][address]
			for _, rule := range policy.Spec.Ingress {
				allowed = append(allowed, n.accepts(arriving, pod, rule.From, rule.Ports)...)
			}
			rules[arriving][address] = allowed
		case networking.PolicyTypeEgress:
			allowed := rules[leaving][address]
			for _, rule := range policy.Spec.Egress {
				allowed = append(allowed, n.accepts(leaving, pod, rule.To, rule.Ports)...)
			}
			rules[leaving][address] = allowed
		}
	}
}

// accepts gives a line for each peer and port of a rule. A named port means a port of whichever
// pod receives: this one, or the peer.
func (n *network) accepts(direction way, pod *core.Pod, peers []networking.NetworkPolicyPeer, ports []networking.NetworkPolicyPort) []string {
	var lines []string
	add := func(peer string, receiver *core.Pod) {
		for _, port := range portMatches(ports, receiver) {
			lines = append(lines, strings.Join(strings.Fields(peer+" "+port+" accept"), " "))
		}
	}
	receiver := func(peer *core.Pod) *core.Pod {
		if direction == arriving {
			return pod
		}
		return peer
	}
	if len(peers) == 0 {
		add("", receiver(nil))
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			add(blockMatch(peer.IPBlock, peerAddress[direction]), receiver(nil))
			continue
		}
		for _, other := range n.selected(peer, pod.Namespace) {
			add(peerAddress[direction]+" "+other.Status.PodIP, receiver(other))
		}
	}
	return lines
}

// selected are the pods that a peer names; without a namespace selector, those of the policy's own.
func (n *network) selected(peer networking.NetworkPolicyPeer, own string) []*core.Pod {
	var found []*core.Pod
	for _, pod := range n.pods {
		if peer.NamespaceSelector == nil {
			if pod.Namespace != own {
				continue
			}
		} else if !matches(peer.NamespaceSelector, n.namespaces[pod.Namespace]) {
			continue
		}
		if peer.PodSelector == nil || matches(peer.PodSelector, pod.Labels) {
			found = append(found, pod)
		}
	}
	return found
}

func matches(selector *meta.LabelSelector, of labels.Set) bool {
	s, err := meta.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(of) // the API server admits no selector that does not parse
}

func blockMatch(block *networking.IPBlock, address string) string {
	match := address + " " + block.CIDR
	if len(block.Except) > 0 {
		match += " " + address + " != { " + strings.Join(block.Except, ", ") + " }"
	}
	return match
}

// portMatches gives an expression for each port; one empty expression is any port.
func portMatches(ports []networking.NetworkPolicyPort, receiver *core.Pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var out []string
	for _, port := range ports {
		protocol := "tcp"
		if port.Protocol != nil {
			protocol = strings.ToLower(string(*port.Protocol))
		}
		switch {
		case port.Port == nil:
			out = append(out, "meta l4proto "+protocol)
		case port.Port.Type == intstr.String:
			out = append(out, namedPortMatches(port.Port.StrVal, protocol, receiver)...)
		case port.EndPort != nil:
			out = append(out, fmt.Sprintf("%s dport %d-%d", protocol, port.Port.IntVal, *port.EndPort))
		default:
			out = append(out, fmt.Sprintf("%s dport %d", protocol, port.Port.IntVal))
		}
	}
	return out
}

func namedPortMatches(name, protocol string, receiver *core.Pod) []string {
	if receiver == nil {
		return nil
	}
	var out []string
	for _, container := range receiver.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == name && strings.EqualFold(string(port.Protocol), protocol) {
				out = append(out, fmt.Sprintf("%s dport %d", protocol, port.ContainerPort))
			}
		}
	}
	return out
}
