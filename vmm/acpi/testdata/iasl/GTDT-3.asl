[0004]                    Signature : "GTDT"
[0004]                 Table Length : 000000E8
[0001]                     Revision : 03
[0001]                     Checksum : 96
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0008]        Counter Block Address : 0706050403020101
[0004]                     Reserved : 00000000
[0004]         Secure EL1 Interrupt : 03020102
[0004]    EL1 Flags (decoded below) : 00000001
                                Trigger Mode : 1
                                    Polarity : 0
                                   Always On : 0
[0004]     Non-Secure EL1 Interrupt : 03020103
[0004]   NEL1 Flags (decoded below) : 00000002
                                Trigger Mode : 0
                                    Polarity : 1
                                   Always On : 0
[0004]      Virtual Timer Interrupt : 03020104
[0004]     VT Flags (decoded below) : 00000004
                                Trigger Mode : 0
                                    Polarity : 0
                                   Always On : 1
[0004]     Non-Secure EL2 Interrupt : 03020105
[0004]   NEL2 Flags (decoded below) : 00000003
                                Trigger Mode : 1
                                    Polarity : 1
                                   Always On : 0
[0008]   Counter Read Block Address : 0706050403020106
[0004]         Platform Timer Count : 00000002
[0004]        Platform Timer Offset : 00000068
[0004]       Virtual EL2 Timer GSIV : 03020108
[0004]      Virtual EL2 Timer Flags : 03020109

[0001]                Subtable Type : 00
[0002]                       Length : 0064
[0001]                     Reserved : 00
[0008]                Block Address : 070605040302010A
[0004]                  Timer Count : 00000002
[0004]                 Timer Offset : 00000014
[0001]                 Frame Number : 0B
[0003]                     Reserved : 000000
[0008]                 Base Address : 070605040302010C
[0008]             EL0 Base Address : 070605040302010D
[0004]              Timer Interrupt : 0302010E
[0004]  Timer Flags (decoded below) : 00000001
                                Trigger Mode : 1
                                    Polarity : 0
[0004]      Virtual Timer Interrupt : 0302010F
[0004] Virtual Timer Flags (decoded below) : 00000002
                                Trigger Mode : 0
                                    Polarity : 1
[0004] Common Flags (decoded below) : 00000001
                                      Secure : 1
                                   Always On : 0
[0001]                 Frame Number : 10
[0003]                     Reserved : 000000
[0008]                 Base Address : 0706050403020111
[0008]             EL0 Base Address : 0706050403020112
[0004]              Timer Interrupt : 03020113
[0004]  Timer Flags (decoded below) : 00000003
                                Trigger Mode : 1
                                    Polarity : 1
[0004]      Virtual Timer Interrupt : 03020114
[0004] Virtual Timer Flags (decoded below) : 00000001
                                Trigger Mode : 1
                                    Polarity : 0
[0004] Common Flags (decoded below) : 00000002
                                      Secure : 0
                                   Always On : 1

[0001]                Subtable Type : 01
[0002]                       Length : 001C
[0001]                     Reserved : 00
[0008]        Refresh Frame Address : 0706050403020115
[0008]        Control Frame Address : 0706050403020116
[0004]              Timer Interrupt : 03020117
[0004]  Timer Flags (decoded below) : 00000005
                                Trigger Mode : 1
                                    Polarity : 0
                                    Security : 1
