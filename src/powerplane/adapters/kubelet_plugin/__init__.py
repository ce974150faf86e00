"""What a kubelet asks of the driver of power claims: there is nothing to prepare."""
