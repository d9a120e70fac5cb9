// Command eni-name is a chained CNI plugin that does for the AWS policy agent what the VPC CNI does: it names the
// pod's host interface "eni" and 11 digits of sha1("namespace.pod"), and tells the agent of every pod that comes and
// goes. Untold, the agent takes a new pod of an old name for the old one and leaves it unguarded. A sandbox that died
// with the node is deleted when its pod has a new one already: that one's guard must stay, so the agent is told only
// of the end of the sandbox that came last.
//
// Renaming an interface that is up needs Linux 6.2 or later.
package main

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	cnirpc "github.com/aws/amazon-vpc-cni-k8s/rpc"
	"github.com/vishvananda/netlink"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	agent   = "unix:///var/run/aws-node/npa.sock"
	mode    = "standard"
	version = "0.4.0"
	// How long a pod waits for the agent; below kubelet's two minutes for a sandbox, which is then tried again.
	patience = 60 * time.Second
	// One file a pod, named as its interface: the sandbox that it has.
	sandboxes = "/run/riskhub-sandboxes"
)

func main() {
	command := os.Getenv("CNI_COMMAND")
	if command == "VERSION" {
		fmt.Printf(`{"cniVersion":%q,"supportedVersions":["0.3.0","0.3.1",%q]}`, version, version)
		return
	}
	namespace, pod := podOf(os.Getenv("CNI_ARGS"))
	connection, err := grpc.NewClient(agent, grpc.WithTransportCredentials(insecure.NewCredentials()))
	orFail(err)
	policies := cnirpc.NewNPBackendClient(connection)

	switch command {
	case "ADD":
		result := renamed(namespace, pod)
		orFail(os.MkdirAll(sandboxes, 0o700))
		orFail(os.WriteFile(sandboxOf(namespace, pod), []byte(os.Getenv("CNI_CONTAINERID")), 0o600))
		request := cnirpc.EnforceNpRequest{
			K8S_POD_NAME: pod, K8S_POD_NAMESPACE: namespace, NETWORK_POLICY_MODE: mode, InterfaceCount: 1,
		}
		// No pod starts before the agent guards it, as on EKS. What it had opened unguarded would be cut silently
		// once its policies are known: the agent has not seen the connection begin and drops the answers.
		deadline, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := policies.EnforceNpToPod(deadline, &request, grpc.WaitForReady(true))
		orFail(err)
		orFail(json.NewEncoder(os.Stdout).Encode(result))
	case "DEL":
		last, err := os.ReadFile(sandboxOf(namespace, pod))
		if err != nil || string(last) != os.Getenv("CNI_CONTAINERID") {
			return
		}
		orFail(os.Remove(sandboxOf(namespace, pod)))
		deadline, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		request := cnirpc.DeleteNpRequest{K8S_POD_NAME: pod, K8S_POD_NAMESPACE: namespace}
		if _, err := policies.DeletePodNp(deadline, &request); err != nil {
			fmt.Fprintln(os.Stderr, "eni-name:", err)
		}
	}
}

// podOf reads namespace and name out of CNI_ARGS ("K8S_POD_NAME=a;K8S_POD_NAMESPACE=b").
func podOf(arguments string) (namespace, pod string) {
	for _, argument := range strings.Split(arguments, ";") {
		switch name, value, _ := strings.Cut(argument, "="); name {
		case "K8S_POD_NAMESPACE":
			namespace = value
		case "K8S_POD_NAME":
			pod = value
		}
	}
	return namespace, pod
}

// renamed gives the host's end of the pod's interface its name; the result of the plugin before, with that name.
func renamed(namespace, pod string) map[string]any {
	var configuration struct{ PrevResult map[string]any }
	orFail(json.NewDecoder(os.Stdin).Decode(&configuration))
	interfaces, _ := configuration.PrevResult["interfaces"].([]any)
	for _, each := range interfaces {
		described := each.(map[string]any)
		if sandbox, _ := described["sandbox"].(string); sandbox != "" {
			continue
		}
		link, err := netlink.LinkByName(described["name"].(string))
		orFail(err)
		name := interfaceOf(namespace, pod)
		orFail(netlink.LinkSetName(link, name))
		described["name"] = name
	}
	return configuration.PrevResult
}

func interfaceOf(namespace, pod string) string {
	return fmt.Sprintf("eni%x", sha1.Sum([]byte(namespace+"."+pod)))[:14]
}

func sandboxOf(namespace, pod string) string {
	return filepath.Join(sandboxes, interfaceOf(namespace, pod))
}

func orFail(err error) {
	if err == nil {
		return
	}
	message := map[string]any{"cniVersion": version, "code": 100, "msg": "eni-name: " + err.Error()}
	if json.NewEncoder(os.Stdout).Encode(message) != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}
