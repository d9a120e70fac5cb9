// Command controller stands in for amazon-network-policy-controller-k8s, which EKS runs in its control plane: it
// resolves NetworkPolicies into PolicyEndpoints, which the AWS policy agent enforces. One node, IPv4, no chunking.
//
// Selectors follow the Kubernetes API; as with AWS, egress also lists the ClusterIPs of Services whose selector
// matches, since the agent sees packets before a Service is translated.
package main

import (
	"context"
	"crypto/sha1"
	"fmt"
	"log"
	"reflect"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

var endpoints = schema.GroupVersionResource{
	Group: "networking.k8s.aws", Version: "v1alpha1", Resource: "policyendpoints",
}

const settle = 50 * time.Millisecond // one rollout is many events

func main() {
	configuration, err := rest.InClusterConfig()
	orDie(err)
	configuration.QPS, configuration.Burst = 200, 400 // with 5 a second, the default, a new pod waits for its policies
	client := kubernetes.NewForConfigOrDie(configuration)
	store := dynamic.NewForConfigOrDie(configuration).Resource(endpoints)

	changed := make(chan struct{}, 1)
	signal := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	world := world{
		namespaces: factory.Core().V1().Namespaces().Lister(),
		pods:       factory.Core().V1().Pods().Lister(),
		services:   factory.Core().V1().Services().Lister(),
		policies:   factory.Networking().V1().NetworkPolicies().Lister(),
	}
	watched := []cache.SharedIndexInformer{
		factory.Core().V1().Namespaces().Informer(),
		factory.Core().V1().Pods().Informer(),
		factory.Core().V1().Services().Informer(),
		factory.Networking().V1().NetworkPolicies().Informer(),
	}
	for _, informer := range watched {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { signal() },
			UpdateFunc: func(any, any) { signal() },
			DeleteFunc: func(any) { signal() },
		})
		orDie(err)
	}
	forever := context.Background()
	factory.Start(forever.Done())
	factory.WaitForCacheSync(forever.Done())
	for range changed {
		time.Sleep(settle)
		if err := reconcile(forever, store, world.resolved()); err != nil {
			log.Print("again in a second: ", err)
			time.AfterFunc(time.Second, signal)
		}
	}
}

// reconcile makes the stored PolicyEndpoints those of `wanted`, by "namespace/name".
func reconcile(ctx context.Context, store dynamic.NamespaceableResourceInterface, wanted map[string]*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	found, err := store.List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	for i := range found.Items {
		old := &found.Items[i]
		key := old.GetNamespace() + "/" + old.GetName()
		fresh, there := wanted[key]
		delete(wanted, key)
		switch {
		case !there:
			log.Print("gone ", key)
			err = store.Namespace(old.GetNamespace()).Delete(ctx, old.GetName(), meta.DeleteOptions{})
		case !reflect.DeepEqual(old.Object["spec"], fresh.Object["spec"]):
			log.Print("changed ", key)
			old.Object["spec"] = fresh.Object["spec"]
			_, err = store.Namespace(old.GetNamespace()).Update(ctx, old, meta.UpdateOptions{})
		}
		if err != nil {
			return err
		}
	}
	for key, fresh := range wanted {
		log.Print("new ", key)
		if _, err := store.Namespace(fresh.GetNamespace()).Create(ctx, fresh, meta.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// endpoint is a PolicyEndpoint as the agent reads it. The agent cuts its name at the last "-" to find the policy.
func endpoint(policy *networking.NetworkPolicy, spec map[string]any) *unstructured.Unstructured {
	name := fmt.Sprintf("%s-%x", policy.Name, sha1.Sum([]byte(policy.UID)))[:len(policy.Name)+6]
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": endpoints.Group + "/" + endpoints.Version,
		"kind":       "PolicyEndpoint",
		"metadata":   map[string]any{"name": name, "namespace": policy.Namespace},
		"spec":       spec,
	}}
}

func selects(selector *meta.LabelSelector, given map[string]string) bool {
	if selector == nil {
		return false
	}
	parsed, err := meta.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(labels.Set(given))
}

func counts(pod *core.Pod) bool {
	alive := pod.Status.Phase == core.PodPending || pod.Status.Phase == core.PodRunning
	return alive && pod.Status.PodIP != "" && !pod.Spec.HostNetwork
}

func orDie(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
