// Runs a descriptor list: fetches as many descriptors as the program memory holds, runs the array,
// and goes on with the next ones until the list is done. The memory's answers to all writes of a
// part are awaited before the next part and the end.
module rst_job #(
  parameter int BusBits = 64,
  parameter int AddrBits = 64,
  parameter int ProgDepth = 16,
  localparam int ProgBits = ristretto_pkg::index_bits(ProgDepth)
) (
  input  logic                clk_i,
  input  logic                rst_ni,

  input  logic                start_i,      // only while not busy
  input  logic [63:0]         list_i,       // stable while busy, and so the count
  input  logic [15:0]         count_i,
  output logic                busy_o,
  output logic                finish_o,     // the last cycle of a job
  output logic [7:0]          error_o,      // then: STATUS.ERROR

  output logic                fetch_valid_o,
  output logic [AddrBits-1:0] fetch_addr_o,
  input  logic                fetch_ready_i,
  output logic                fetch_open_o,
  input  logic                fetch_data_valid_i,
  input  logic [BusBits-1:0]  fetch_data_i,
  output logic                fetch_data_ready_o,

  output logic                prog_we_o,
  output logic [ProgBits+5:0] prog_addr_o,
  output logic [31:0]         prog_wdata_o,
  output logic                run_start_o,
  output logic [15:0]         run_count_o,  // stable until run_done_i
  output logic                running_o,
  input  logic                run_done_i,

  input  logic                writes_open_i,
  input  logic                read_error_i,
  input  logic                write_error_i
);
  // verilator coverage_off
  initial begin
    if (BusBits < 16 || BusBits > 1024 || (BusBits & (BusBits - 1)) != 0)
      $fatal(1, "BusBits must be 16 to 1024, a power of two");
    if (AddrBits < 32 || AddrBits > 64) $fatal(1, "AddrBits must be 32 to 64");
    if (ProgDepth < 1 || ProgDepth > 65535) $fatal(1, "ProgDepth must be 1 to 65535");
  end
  // verilator coverage_on

  localparam logic [7:0] ErrorEmpty = 8'd1;
  localparam logic [7:0] ErrorAlignment = 8'd2;
  localparam logic [7:0] ErrorRead = 8'd3;
  localparam logic [7:0] ErrorWrite = 8'd4;

  typedef enum logic [2:0] {Idle, Request, Unpack, Start, Run, Drain, Refuse} state_e;
  state_e state_q, state_d;

  logic [15:0] done_q, done_d;                   // descriptors of the parts before
  logic [15:0] index_q, index_d;                 // descriptor of this part
  logic [15:0] left, part, fetch_number;
  logic [7:0] error_q, error_d;

  assign left = count_i - done_q;
  assign part = (32'(left) > ProgDepth) ? 16'(ProgDepth) : left;

  assign busy_o = (state_q != Idle);
  assign fetch_valid_o = (state_q == Request);
  assign fetch_number = done_q + index_q;
  assign fetch_addr_o = AddrBits'(list_i + {40'd0, fetch_number, 8'd0});
  assign fetch_open_o = (state_q == Unpack);
  assign run_start_o = (state_q == Start);
  assign run_count_o = part;
  assign running_o = (state_q == Run);
  assign finish_o = (state_q == Refuse) || (state_q == Drain && !writes_open_i && left == part);
  assign error_o = error_d;

  logic unused_list;
  assign unused_list = ^list_i;

  // Words out of beats. ---------------------------------------------------------------------------
  logic word_valid;
  logic [31:0] word;
  logic [5:0] word_q;

  if (BusBits >= 32) begin : gen_wide
    localparam int Words = BusBits / 32;
    localparam int LeftBits = $clog2(Words + 1);
    logic [BusBits-1:0] beat_q;
    logic [LeftBits-1:0] words_q;                // still in beat_q

    assign word_valid = (words_q != '0);
    assign word = beat_q[31:0];
    assign fetch_data_ready_o = (words_q == '0) || (words_q == LeftBits'(1));

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        words_q <= '0;
      end else if (fetch_data_valid_i && fetch_data_ready_o) begin
        words_q <= LeftBits'(Words);
      end else if (word_valid) begin
        words_q <= words_q - LeftBits'(1);
      end
    end

    always_ff @(posedge clk_i) begin
      if (fetch_data_valid_i && fetch_data_ready_o) beat_q <= fetch_data_i;
      else beat_q <= BusBits'({32'd0, beat_q} >> 32);
    end
  end else begin : gen_half
    logic upper_q, valid_q;
    logic [31:0] word_shift_q;

    assign word_valid = valid_q;
    assign word = word_shift_q;
    assign fetch_data_ready_o = 1'b1;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) begin
        upper_q <= 1'b0;
        valid_q <= 1'b0;
      end else begin
        upper_q <= upper_q ^ fetch_data_valid_i;
        valid_q <= upper_q && fetch_data_valid_i;
      end
    end

    always_ff @(posedge clk_i) begin
      if (fetch_data_valid_i) word_shift_q <= {fetch_data_i, word_shift_q[31:16]};
    end
  end

  // Descriptors of earlier parts are stored by the time that a later part runs.
  logic [31:0] waited;
  assign waited = (word > 32'(done_q)) ? word - 32'(done_q) : 32'd0;
  assign prog_we_o = word_valid;
  assign prog_addr_o = {ProgBits'(index_q), word_q};
  assign prog_wdata_o = (word_q == 6'(ristretto_pkg::WordWaitStored)) ? waited : word;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) word_q <= '0;
    else word_q <= word_q + 6'(word_valid);
  end

  //  ----------------------------------------------------------------------------------------------
  always_comb begin
    state_d = state_q;
    done_d = done_q;
    index_d = index_q;
    error_d = error_q;
    if (read_error_i && error_q == '0) error_d = ErrorRead;
    else if (write_error_i && error_q == '0) error_d = ErrorWrite;

    unique case (state_q)
      Idle: begin
        done_d = '0;
        index_d = '0;
        if (start_i) begin
          error_d = '0;
          state_d = Request;
          if (count_i == '0) begin
            error_d = ErrorEmpty;
            state_d = Refuse;
          end else if (list_i[7:0] != '0) begin
            error_d = ErrorAlignment;
            state_d = Refuse;
          end
        end
      end
      Request: if (fetch_ready_i) state_d = Unpack;
      Unpack: begin
        if (word_valid && word_q == 6'd63) begin
          index_d = index_q + 16'd1;
          if (index_q == part - 16'd1) state_d = Start;
          else state_d = Request;
        end
      end
      Start: state_d = Run;
      Run: if (run_done_i) state_d = Drain;
      Drain: begin
        if (!writes_open_i) begin
          index_d = '0;
          done_d = done_q + part;
          if (left == part) state_d = Idle;
          else state_d = Request;
        end
      end
      Refuse: state_d = Idle;
      default: begin  // no such state
        // verilator coverage_block_off
        state_d = Idle;
      end
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= Idle;
      done_q <= '0;
      index_q <= '0;
      error_q <= '0;
    end else begin
      state_q <= state_d;
      done_q <= done_d;
      index_q <= index_d;
      error_q <= error_d;
    end
  end

  `include "checks/rst_job_check.svh"
endmodule
