// Flip-flops become wires: what a pipeline without feedback computes, without its cycles.
(* techmap_celltype = "$dff" *)
module rs_transparent_dff #(parameter WIDTH = 1, parameter CLK_POLARITY = 1)
  (input CLK, input [WIDTH-1:0] D, output [WIDTH-1:0] Q);
  assign Q = D;
endmodule
