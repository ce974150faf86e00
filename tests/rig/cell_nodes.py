"""Random nodes, volumes and claims."""

from tests.rig.cell_rules import RuleMaker
from tests.rig.cell_values import EFFECTS, FPGA, HOST, NAMESPACES, OLD_ZONE, REGION, TAINT_VALUES, ZONE, Cell, Json


class NodeMaker(RuleMaker):
    """Draws nodes and volumes."""

    def node(self, i: int) -> Json:
        name = f"{self.prefix}-n{i}"
        labels = {HOST: name} if not self.some(0.06) else {HOST: f"{self.prefix}-n{i // 2}"}
        for key, values, chance in (
            (ZONE, ("z1", "z2", "z3"), 0.85),
            (REGION, ("r1", "r2"), 0.5),
            (OLD_ZONE, ("z1", "z2"), 0.1),
            ("rack", ("k1", "k2", "k3", "k4", "k5", ""), 0.85),
            ("disk", ("ssd", "hdd", ""), 0.7),
            ("gen", ("1", "3", "007", "12", "1e3", "abc", "9223372036854775807", "9223372036854775808"), 0.7),
        ):
            if self.some(chance):
                labels[key] = self.one(*values)
        if self.some(0.03):
            del labels[HOST]
        offers = {
            "cpu": self.one("1", "2", "3500m", "8", "0.75"),
            "memory": self.one("2Gi", "4Gi", "3500M", "16Gi"),
            "pods": self.one("1", "3", "8", "110", "110"),
            "ephemeral-storage": self.one("1Gi", "100Gi"),
        }
        if self.some(0.4):
            offers[FPGA] = self.one("0", "1", "4")
        if self.some(0.3):
            offers["hugepages-2Mi"] = self.one("0", "64Mi")
        taints = [self.taint(key) for key in TAINT_VALUES if self.some(0.15)]
        condition = {"type": "Ready", "status": "True", "reason": "Rig", "message": ""}
        spec: Json = {"taints": taints} | ({"unschedulable": True} if self.some(0.08) else {})
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
            "status": {"capacity": offers, "allocatable": offers, "conditions": [condition], "phase": "Running"},
        }

    def taint(self, key: str) -> Json:
        return {"key": key, "value": self.one(*TAINT_VALUES[key]), "effect": self.one(*EFFECTS)}

    def volume(self, i: int) -> tuple[Json | None, Json]:
        """A volume and its claim, bound to each other; now and then a claim without a volume."""
        name, namespace = f"{self.prefix}-v{i}", self.one(*NAMESPACES)
        modes = [self.one("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod")]
        size = {"storage": "1Gi"}
        spec: Json = {"accessModes": modes, "storageClassName": "", "resources": {"requests": size}}
        meta: Json = {"name": name, "namespace": namespace}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}
        if self.some(0.1):
            # Of a class that no one provides.
            spec["storageClassName"] = "nobody"
            return None, claim
        spec["volumeName"] = name
        volume: Json = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": self.volume_zones()},
            "spec": {
                "capacity": size,
                "accessModes": modes,
                "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"kind": "PersistentVolumeClaim", "name": name, "namespace": namespace},
                "nfs": {"server": "127.0.0.1", "path": "/x"},
            },
        }
        if self.some(0.6):
            volume["spec"]["nodeAffinity"] = {"required": self.node_selector_terms(fields=self.odd)}
        return volume, claim

    def volume_zones(self) -> dict[str, str]:
        labels = {}
        if self.some(0.35):
            labels[self.one(ZONE, ZONE, OLD_ZONE)] = self.one("z1", "z2", "z1__z2", "z3")
        if self.some(0.15):
            labels[REGION] = self.one("r1", "r1__r2")
        return labels

    def claims_of(self, made: Cell, namespace: str) -> list[Json]:
        names = [one["metadata"]["name"] for one in made.claims if one["metadata"]["namespace"] == namespace]
        names += ["not-there"] if self.some(0.05) else []
        chosen = self.few(names) if names else []
        return [{"name": f"v{i}", "persistentVolumeClaim": {"claimName": name}} for i, name in enumerate(chosen)]
