// The rectifier's gradient in one launch; its forward is one already.

KERNEL relu_forward(
    const real* x,  // [size]
    real* out,      // [size]
    int size) {
  unsigned i = thread();
  if (i < size) out[i] = x[i] < 0 ? real(0) : x[i];
}

// scale: that of a dropout behind the rectifier, whose zeros look alike.
KERNEL relu_backward(
    const real* out,   // [size]
    const real* dout,  // [size]
    real* dx,          // [size]
    real scale, int size) {
  unsigned i = thread();
  if (i < size) dx[i] = dout[i] * (out[i] > 0 ? scale : real(0));
}
