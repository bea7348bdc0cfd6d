`include "ristretto_types.svh"

// What must hold between the blocks of the array, bound into it under Verilator: the handshakes of
// the memory port, no lost beat, addresses inside the activation and output buffers, legal values,
// and, with +no_overflow, an accumulator that is wide enough. What one module owes is in its file
// beside this one. Signals have their names in ristretto_array.
module ristretto_array_check #(
  parameter int Muls = 1,
  parameter int ActBits = 1,
  parameter int ActDepth = 1,
  parameter int OutDepth = 1,
  parameter int BusBits = 16,
  parameter int Outstanding = 1,
  parameter int Pe = 0,
  parameter int WgtBits = 1,
  parameter bit UnsignedActivations = 1'b0,
  parameter bit AveragePooling = 1'b0,
  parameter int Elements = 1,
  parameter int ActAddrBits = 1,
  parameter int MaskBits = 1
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    prog_we_i,
  input  logic                    start_i,
  input  logic [15:0]             n_desc_i,
  input  logic                    busy_o,
  input  logic                    done_o,
  input  logic                    finish,
  input  logic                    rd_valid_o,
  input  logic [31:0]             rd_addr_o,
  input  logic                    wr_valid_o,
  input  logic [31:0]             wr_addr_o,
  input  logic [BusBits-1:0]      wr_data_o,
  input  logic                    mem_ready_i,
  input  logic                    rsp_valid_i,
  input  logic [1:0]              wgt_busy,
  input  logic [1:0]              wgt_full,
  input  logic [1:0]              act_busy,
  input  logic [1:0]              act_full,
  input  logic [1:0]              out_busy,
  input  logic [1:0]              out_full,
  input  logic                    act_we,
  input  logic                    wgt_we,
  input  logic                    fill_half,
  input  logic [ActAddrBits-1:0]  fill_act_addr,
  input  rst_step_t               step,
  input  logic                    act_half,
  input  logic [ActAddrBits-1:0]  act_addr,
  input  logic [MaskBits-1:0]     act_low,
  input  logic [MaskBits-1:0]     act_high,
  input  rst_step_t               at_accumulate,
  input  rst_step_t               at_result,
  input  rst_step_t               at_output,
  input  logic                    out_we,
  input  logic [31:0]             obs_out_ovf_o,
  input  logic [31:0]             obs_out_sat_o
);
  default clocking @(posedge clk_i); endclocking

  // The reset is asynchronous and comes before the first clock edge; only what looks back must wait
  // for a cycle.
  logic has_past_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) has_past_q <= 1'b0;
    else has_past_q <= 1'b1;
  end

  // The memory port.
  a_one_request: assert property (!(rd_valid_o && wr_valid_o));
  a_write_stays: assert property (disable iff (!has_past_q)
    wr_valid_o && !mem_ready_i |=> wr_valid_o && $stable(wr_addr_o) && $stable(wr_data_o));
  a_read_stays: assert property (disable iff (!has_past_q)
    rd_valid_o && !mem_ready_i |=> wr_valid_o || (rd_valid_o && $stable(rd_addr_o)));

  int outstanding_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) outstanding_q <= 0;
    else outstanding_q <= outstanding_q + 32'(rd_valid_o && mem_ready_i) - 32'(rsp_valid_i);
  end
  a_answer_expected: assert property (rsp_valid_i |-> outstanding_q > 0);
  a_outstanding: assert property (outstanding_q <= Outstanding);

  // Control.
  a_start_idle: assert property (start_i |-> !busy_o && n_desc_i != 0);
  a_program_idle: assert property (prog_we_i |-> !busy_o);
  a_done: assert property (disable iff (!has_past_q) finish |=> done_o && !busy_o);
  a_done_alone: assert property (disable iff (!has_past_q) !finish |=> !done_o);
  a_drained: assert property (done_o |->
    outstanding_q == 0 && (wgt_busy | wgt_full | act_busy | act_full | out_busy | out_full) == '0);

  // No beat is lost: a half is filled while it is taken, used while it is full, and given back
  // once.
  a_act_fill: assert property (act_we |-> act_busy[fill_half] && !act_full[fill_half]);
  a_wgt_fill: assert property (wgt_we |-> wgt_busy[fill_half] && !wgt_full[fill_half]);
  a_step_has_data: assert property (step.valid |->
    act_full[act_half] && (step.direct || wgt_full[step.wgt_half]) &&
    out_busy[step.out_half] && !out_full[step.out_half]);
  a_bias_there: assert property (
    at_accumulate.valid && at_accumulate.first && !at_accumulate.direct |->
    wgt_busy[at_accumulate.wgt_half]);
  a_out_write: assert property (out_we |->
    out_busy[at_output.out_half] && !out_full[at_output.out_half]);
  a_last_beat: assert property (at_output.valid && at_output.desc_last |-> out_we);

  // Addresses.
  a_act_write_range: assert property (act_we |->
    32'(fill_act_addr) + Elements <= ActDepth);
  a_act_read_range: assert property (step.valid && act_low < act_high |->
    32'(ActAddrBits'(act_addr + ActAddrBits'(act_low))) + 32'(act_high) - 32'(act_low) <= ActDepth);
  a_out_write_range: assert property (out_we |->
    32'(at_output.out_addr) + 32'(at_output.lanes) <= OutDepth);

  // Values.
  a_signs: assert property (step.valid |->
    UnsignedActivations || !(step.in_unsigned || step.out_unsigned));
  a_align: assert property (step.valid && step.direct && Pe != ristretto_pkg::PeMinifloat |->
    32'(step.align) + ActBits <= ristretto_pkg::product_bits(Pe, ActBits, WgtBits));
  a_direct_lanes: assert property (step.valid && step.direct |-> 32'(step.lanes) <= Muls);
  a_scale: assert property (at_result.valid |-> AveragePooling || at_result.scale == 16'd1);

  bit no_overflow;
  initial no_overflow = ($test$plusargs("no_overflow") != 0);
  a_no_overflow: assert property (out_we && no_overflow |-> obs_out_ovf_o == '0);

  logic unused_steps;
  assign unused_steps = ^{step, at_accumulate, at_result, at_output};

  // What a run is expected to show; counted with --coverage-user.
  c_stall: cover property (rd_valid_o && !mem_ready_i);
  c_write_stall: cover property (wr_valid_o && !mem_ready_i);
  c_padding: cover property (step.valid && act_low != '0);
  c_saturation: cover property (out_we && obs_out_sat_o != '0);
  c_overflow: cover property (out_we && obs_out_ovf_o != '0);
  c_unsigned: cover property (step.valid && step.in_unsigned);
  c_direct: cover property (step.valid && step.direct);
  c_outside: cover property (step.valid && step.outside);
  c_both_halves: cover property (wgt_busy == 2'b11 && act_busy == 2'b11 && out_busy == 2'b11);
endmodule

bind ristretto_array ristretto_array_check #(
  .Muls(Muls),
  .ActBits(ActBits),
  .ActDepth(ActDepth),
  .OutDepth(OutDepth),
  .BusBits(BusBits),
  .Outstanding(Outstanding),
  .Pe(Pe),
  .WgtBits(WgtBits),
  .UnsignedActivations(UnsignedActivations),
  .AveragePooling(AveragePooling),
  .Elements(Elements),
  .ActAddrBits(ActAddrBits),
  .MaskBits(MaskBits)
) u_check (.*);
