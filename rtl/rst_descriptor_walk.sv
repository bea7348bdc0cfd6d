`include "ristretto_types.svh"

// Where an engine is: the descriptor of the run and the group of output channels of the descriptor,
// which counts within its set as well. Loader, sequencer and storer have one each.
module rst_descriptor_walk #(
  parameter int ProgDepth = 16,
  localparam int ProgBits = ristretto_pkg::index_bits(ProgDepth)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                start_i,        // to the first descriptor
  input  logic                desc_next_i,    // to the next one, and its first group
  input  logic                group_next_i,   // to the next group
  input  logic [15:0]         n_desc_i,       // stable from start_i to the end
  input  rst_desc_t           desc_i,         // the descriptor that the engine has fetched

  output logic [15:0]         desc_o,
  output logic [ProgBits-1:0] fetch_addr_o,
  output logic                desc_last_o,    // of the run
  output logic                group_first_o,  // of the descriptor
  output logic                group_last_o,
  output logic                set_last_o      // group of its set
);
  // verilator coverage_off
  initial begin
    if (ProgDepth < 1 || ProgDepth > 65535) $fatal(1, "ProgDepth must be 1 to 65535");
  end
  // verilator coverage_on

  logic [15:0] desc_q, group_q, set_group_q;

  assign desc_o = desc_q;
  assign fetch_addr_o = ProgBits'(desc_q);
  assign desc_last_o = (desc_q == n_desc_i - 16'd1);
  assign group_first_o = (group_q == '0);
  assign group_last_o = (group_q == desc_i.groups - 16'd1);
  assign set_last_o = (set_group_q == desc_i.groups_per_set - 16'd1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      desc_q <= '0;
      group_q <= '0;
      set_group_q <= '0;
    end else if (start_i || desc_next_i) begin
      desc_q <= start_i ? 16'd0 : desc_q + 16'd1;
      group_q <= '0;
      set_group_q <= '0;
    end else if (group_next_i) begin
      group_q <= group_q + 16'd1;
      set_group_q <= set_last_o ? 16'd0 : set_group_q + 16'd1;
    end
  end

  logic unused_desc;
  assign unused_desc = ^desc_i;

  `include "checks/rst_descriptor_walk_check.svh"
endmodule
