// Weights and biases, two halves of each. A step is a word of Lanes * Muls weights, written beat by
// beat into a memory for each beat and read as a whole. Biases (with what else a lane has for a
// group) are registers.
module rst_weight_buffer #(
  parameter int Lanes = 16,
  parameter int Muls = 16,
  parameter int WgtBits = 8,
  parameter int LaneBits = 32,  // of a lane among the biases
  parameter int Depth = 64,      // steps in a half
  parameter int BusBits = 128,
  localparam int StepBits = Lanes * Muls * WgtBits,
  localparam int BiasBits = Lanes * LaneBits,
  localparam int StepAddrBits = ristretto_pkg::index_bits(Depth)
) (
  input  logic                    clk_i,

  input  logic                    we_i,
  input  logic                    whalf_i,
  input  logic                    wbias_i,  // the beat holds biases
  input  logic [StepAddrBits-1:0] wstep_i,
  input  logic [15:0]             wbeat_i,  // beat of the step or of the biases
  input  logic [BusBits-1:0]      wdata_i,

  input  logic                    re_i,
  input  logic                    rhalf_i,
  input  logic [StepAddrBits-1:0] rstep_i,
  output logic [StepBits-1:0]     rdata_o,  // in the cycle after re_i, and until the next one

  input  logic                    bias_half_i,
  output logic [BiasBits-1:0]     bias_o
);
  // verilator coverage_off
  initial begin
    if (Lanes < 1 || Muls < 1 || WgtBits < 1 || LaneBits < 1)
      $fatal(1, "Lanes, Muls, WgtBits and LaneBits must be at least 1");
    if (Depth < 1 || BusBits < 1) $fatal(1, "Depth and BusBits must be at least 1");
  end
  // verilator coverage_on

  localparam int StepBeats = ristretto_pkg::ceil_div(StepBits, BusBits);
  localparam int BiasBeats = ristretto_pkg::ceil_div(BiasBits, BusBits);
  localparam int RamBits = ristretto_pkg::index_bits(2 * Depth);

  logic [RamBits-1:0] waddr, raddr;
  assign waddr = RamBits'(wstep_i) + (whalf_i ? RamBits'(Depth) : RamBits'(0));
  assign raddr = RamBits'(rstep_i) + (rhalf_i ? RamBits'(Depth) : RamBits'(0));

  for (genvar k = 0; k < StepBeats; k++) begin : gen_step_beat
    localparam int Bits = (k < StepBeats - 1) ? BusBits : StepBits - k * BusBits;
    rst_ram #(
      .Width(Bits),
      .Depth(2 * Depth)
    ) u_ram (
      .clk_i,
      .we_i(we_i && !wbias_i && wbeat_i == 16'(k)),
      .waddr_i(waddr),
      .wdata_i(wdata_i[Bits-1:0]),
      .re_i,
      .raddr_i(raddr),
      .rdata_o(rdata_o[k*BusBits +: Bits])
    );
  end

  logic [BiasBits-1:0] bias0_q, bias1_q;

  for (genvar k = 0; k < BiasBeats; k++) begin : gen_bias_beat
    localparam int Bits = (k < BiasBeats - 1) ? BusBits : BiasBits - k * BusBits;
    always_ff @(posedge clk_i) begin
      if (we_i && wbias_i && wbeat_i == 16'(k)) begin
        if (whalf_i) bias1_q[k*BusBits +: Bits] <= wdata_i[Bits-1:0];
        else bias0_q[k*BusBits +: Bits] <= wdata_i[Bits-1:0];
      end
    end
  end

  assign bias_o = bias_half_i ? bias1_q : bias0_q;

  // The top bits of a beat are padding if no beat is filled.
  logic unused_data;
  assign unused_data = ^wdata_i;

  `include "checks/rst_weight_buffer_check.svh"
endmodule
