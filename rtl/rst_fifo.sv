// A small queue in registers; the oldest word is at data_o. The user neither pushes into a full one
// nor pops an empty one.
module rst_fifo #(
  parameter int Width = 8,
  parameter int Depth = 4  // a power of two
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             clear_i,

  input  logic             push_i,
  input  logic [Width-1:0] data_i,
  input  logic             pop_i,
  output logic [Width-1:0] data_o,
  output logic             valid_o
);
  // verilator coverage_off
  initial begin
    if (Width < 1) $fatal(1, "Width must be at least 1");
    if (Depth < 2 || (Depth & (Depth - 1)) != 0)
      $fatal(1, "Depth must be a power of two, at least 2");
  end
  // verilator coverage_on

  localparam int IndexBits = ristretto_pkg::index_bits(Depth);

  logic [Width-1:0] words_q [Depth];
  logic [IndexBits:0] head_q, tail_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      head_q <= '0;
      tail_q <= '0;
    end else if (clear_i) begin
      head_q <= '0;
      tail_q <= '0;
    end else begin
      if (push_i) tail_q <= tail_q + 1'b1;
      if (pop_i) head_q <= head_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (push_i) words_q[tail_q[IndexBits-1:0]] <= data_i;
  end

  assign data_o = words_q[head_q[IndexBits-1:0]];
  assign valid_o = (head_q != tail_q);

  `include "checks/rst_fifo_check.svh"
endmodule
