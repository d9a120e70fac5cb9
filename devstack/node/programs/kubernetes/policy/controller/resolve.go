package main

import (
	"fmt"
	"sort"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
)

// world is what the cluster looks like now.
type world struct {
	namespaces corelisters.NamespaceLister
	pods       corelisters.PodLister
	services   corelisters.ServiceLister
	policies   networkinglisters.NetworkPolicyLister
}

// resolved gives the PolicyEndpoint of each policy, by "namespace/name". Lists come sorted: an unchanged world must
// not look changed.
func (w world) resolved() map[string]*unstructured.Unstructured {
	policies, err := w.policies.List(labels.Everything())
	orDie(err) // a cache never fails to list
	found := map[string]*unstructured.Unstructured{}
	for _, policy := range policies {
		made := endpoint(policy, w.spec(policy))
		found[made.GetNamespace()+"/"+made.GetName()] = made
	}
	return found
}

func (w world) spec(policy *networking.NetworkPolicy) map[string]any {
	spec, selected := policy.Spec, w.podsOf(policy.Namespace, func(pod *core.Pod) bool {
		return selects(&policy.Spec.PodSelector, pod.Labels)
	})
	isolation := []any{}
	ingress, egress := []any{}, []any{}
	for _, kind := range spec.PolicyTypes {
		isolation = append(isolation, string(kind))
		switch kind {
		case networking.PolicyTypeIngress:
			for _, rule := range spec.Ingress {
				ingress = append(ingress, w.peers(policy, selected, rule.From, rule.Ports, false)...)
			}
		case networking.PolicyTypeEgress:
			for _, rule := range spec.Egress {
				egress = append(egress, w.peers(policy, selected, rule.To, rule.Ports, true)...)
			}
		}
	}
	targets := []any{}
	for _, pod := range selected {
		targets = append(targets, map[string]any{
			"hostIP": pod.Status.HostIP, "podIP": pod.Status.PodIP, "name": pod.Name, "namespace": pod.Namespace,
		})
	}
	return map[string]any{
		"podSelector":          selectorOf(policy),
		"policyRef":            map[string]any{"name": policy.Name, "namespace": policy.Namespace},
		"podIsolation":         isolation,
		"podSelectorEndpoints": targets,
		"ingress":              ingress,
		"egress":               egress,
	}
}

// peers are the addresses of one rule with their ports. Ports that were asked for and mean nothing let nothing pass.
func (w world) peers(policy *networking.NetworkPolicy, selected []*core.Pod, peers []networking.NetworkPolicyPeer, asked []networking.NetworkPolicyPort, egress bool) []any {
	found := []any{}
	add := func(cidr string, except []string, ports []any) {
		if len(asked) > 0 && len(ports) == 0 {
			return
		}
		entry := map[string]any{"cidr": cidr, "ports": ports}
		if len(except) > 0 {
			entry["except"] = anyOf(except)
		}
		found = append(found, entry)
	}
	if len(peers) == 0 {
		add("0.0.0.0/0", nil, portsOf(asked, selected))
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			add(peer.IPBlock.CIDR, peer.IPBlock.Except, portsOf(asked, selected))
			continue
		}
		for _, namespace := range w.namespacesOf(policy, peer) {
			pods := w.podsOf(namespace, func(pod *core.Pod) bool {
				return peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels)
			})
			for _, pod := range pods {
				meant := selected // a named port is one of the pod that is called
				if egress {
					meant = []*core.Pod{pod}
				}
				add(pod.Status.PodIP, nil, portsOf(asked, meant))
			}
			if egress {
				for _, service := range w.servicesOf(namespace, peer) {
					add(service.Spec.ClusterIP, nil, servicePorts(asked, service, pods))
				}
			}
		}
	}
	return found
}

func (w world) namespacesOf(policy *networking.NetworkPolicy, peer networking.NetworkPolicyPeer) []string {
	if peer.NamespaceSelector == nil {
		return []string{policy.Namespace}
	}
	all, err := w.namespaces.List(labels.Everything())
	orDie(err)
	names := []string{}
	for _, namespace := range all {
		if selects(peer.NamespaceSelector, namespace.Labels) {
			names = append(names, namespace.Name)
		}
	}
	sort.Strings(names)
	return names
}

func (w world) podsOf(namespace string, wanted func(*core.Pod) bool) []*core.Pod {
	all, err := w.pods.Pods(namespace).List(labels.Everything())
	orDie(err)
	pods := []*core.Pod{}
	for _, pod := range all {
		if counts(pod) && wanted(pod) {
			pods = append(pods, pod)
		}
	}
	sort.Slice(pods, func(i, j int) bool { return pods[i].Name < pods[j].Name })
	return pods
}

func (w world) servicesOf(namespace string, peer networking.NetworkPolicyPeer) []*core.Service {
	all, err := w.services.Services(namespace).List(labels.Everything())
	orDie(err)
	services := []*core.Service{}
	for _, service := range all {
		matches := peer.PodSelector == nil || selects(peer.PodSelector, service.Spec.Selector)
		if service.Spec.ClusterIP != "" && service.Spec.ClusterIP != core.ClusterIPNone && matches {
			services = append(services, service)
		}
	}
	sort.Slice(services, func(i, j int) bool { return services[i].Name < services[j].Name })
	return services
}

// portsOf are the asked ports as numbers; a name is looked up in `pods`.
func portsOf(asked []networking.NetworkPolicyPort, pods []*core.Pod) []any {
	found := []any{}
	for _, port := range asked {
		if port.Port == nil {
			found = append(found, map[string]any{"protocol": protocolOf(port)})
			continue
		}
		for _, number := range numbersOf(*port.Port, pods) {
			entry := map[string]any{"protocol": protocolOf(port), "port": int64(number)}
			if port.EndPort != nil {
				entry["endPort"] = int64(*port.EndPort)
			}
			found = append(found, entry)
		}
	}
	return found
}

// servicePorts are the Service's own ports behind which an asked port of `pods` lies.
func servicePorts(asked []networking.NetworkPolicyPort, service *core.Service, pods []*core.Pod) []any {
	found := []any{}
	for _, port := range service.Spec.Ports {
		target := port.TargetPort
		if target.Type == intstr.Int && target.IntVal == 0 {
			target = intstr.FromInt32(port.Port)
		}
		for _, wanted := range asked {
			if string(port.Protocol) == protocolOf(wanted) && covers(wanted, numbersOf(target, pods), pods) {
				found = append(found, map[string]any{"protocol": protocolOf(wanted), "port": int64(port.Port)})
			}
		}
	}
	return found
}

func covers(asked networking.NetworkPolicyPort, targets []int32, pods []*core.Pod) bool {
	if asked.Port == nil {
		return true
	}
	for _, first := range numbersOf(*asked.Port, pods) {
		last := first
		if asked.EndPort != nil {
			last = *asked.EndPort
		}
		for _, target := range targets {
			if first <= target && target <= last {
				return true
			}
		}
	}
	return false
}

func numbersOf(port intstr.IntOrString, pods []*core.Pod) []int32 {
	if port.Type == intstr.Int {
		return []int32{port.IntVal}
	}
	known := map[int32]bool{}
	numbers := []int32{}
	for _, pod := range pods {
		for _, container := range pod.Spec.Containers {
			for _, declared := range container.Ports {
				if declared.Name == port.StrVal && !known[declared.ContainerPort] {
					known[declared.ContainerPort] = true
					numbers = append(numbers, declared.ContainerPort)
				}
			}
		}
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	return numbers
}

func protocolOf(port networking.NetworkPolicyPort) string {
	if port.Protocol == nil {
		return string(core.ProtocolTCP)
	}
	return string(*port.Protocol)
}

func selectorOf(policy *networking.NetworkPolicy) map[string]any {
	selector := map[string]any{}
	if given := policy.Spec.PodSelector.MatchLabels; len(given) > 0 {
		matched := map[string]any{}
		for key, value := range given {
			matched[key] = value
		}
		selector["matchLabels"] = matched
	}
	expressions := []any{}
	for _, each := range policy.Spec.PodSelector.MatchExpressions {
		expressions = append(expressions, map[string]any{
			"key": each.Key, "operator": fmt.Sprint(each.Operator), "values": anyOf(each.Values),
		})
	}
	if len(expressions) > 0 {
		selector["matchExpressions"] = expressions
	}
	return selector
}

func anyOf(texts []string) []any {
	found := []any{}
	for _, text := range texts {
		found = append(found, text)
	}
	return found
}
