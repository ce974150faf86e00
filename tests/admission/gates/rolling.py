"""A Deployment that rolls out in the releaser's world, and pods of it."""

HASHED = "web-5d8"


def rollout(world, *, replicas=4, surge=2, there=4, updated=0, available=4, generation=2, **more):
    """A Deployment whose new template is on its way; its pods draw 100 W."""
    spec = {
        "replicas": replicas,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}]},
        },
    }
    world.deployments["web"] = {
        "metadata": {"name": "web", "namespace": "default", "generation": generation},
        "spec": spec | more.pop("spec", {}),
        "status": {
            "observedGeneration": generation,
            "replicas": there,
            "updatedReplicas": updated,
            "availableReplicas": available,
            **more,
        },
    }


def own(world, name, watts=100, **spec):
    """A pod of the Deployment, behind the gate."""
    world.create(name, watts, **spec)
    world.pods[name]["metadata"] |= {
        "labels": {"pod-template-hash": "5d8"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": HASHED, "uid": "rs", "controller": True}],
    }
